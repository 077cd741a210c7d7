package logging

import (
	"fmt"
	"io"
	"os"
	"syscall"
)

// isJournal reports whether w goes to systemd's journal, which then reads a priority at the
// beginning of each line. JOURNAL_STREAM names the device and inode of what systemd has connected
// (systemd.exec(5)); a program that inherits the variable may have another stderr.
func isJournal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
