package service

import "os"

// Traced reports whether a debugger or strace is attached to a thread of this process (ptrace(2)), and may hold it for as
// long as it likes. Without /proc the answer is no.
func Traced() bool {
	const tasks = "/proc/self/task"
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return false
	}
	for _, thread := range threads {
		status, err := readStatus(tasks + "/" + thread.Name() + "/status")
		if err == nil && status["TracerPid"] != "0" {
			return true
		}
	}
	return false
}
