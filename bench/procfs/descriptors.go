package procfs

import (
	"fmt"
	"os"
)

// Descriptors returns how many descriptors the process has open.
func Descriptors(pid int) (int, error) {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(names), err
}
