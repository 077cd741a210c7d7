// Package procfs reads what the kernel accounts to other processes: processor time to the nanosecond, resident memory,
// descriptors; and what it says of the machine. Linux only.
//
// Every function that takes a process ID returns an error that wraps os.ErrNotExist when there is no such process.
package procfs
