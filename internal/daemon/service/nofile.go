package service

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// RaiseNofile raises the limit of open descriptors toward want: the soft limit up to the hard one and, where that is
// permitted (root), the hard one up to fs.nr_open. It never lowers a limit and returns the one in force, which may be
// less than want; math.MaxInt stands for none. Call it before privileges are dropped.
func RaiseNofile(want int) (got int, err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	target := uint64(max(want, 0))
	if limit.Cur >= target {
		return limitInt(limit.Cur), nil
	}
	soft := syscall.Rlimit{Cur: min(target, limit.Max), Max: limit.Max}
	if target > limit.Max {
		top := min(target, max(openMax(), limit.Max))
		err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: top, Max: top})
		if err == nil {
			return limitInt(top), nil
		}
		if !errors.Is(err, syscall.EPERM) {
			return limitInt(limit.Cur), os.NewSyscallError("setrlimit", err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &soft); err != nil {
		return limitInt(limit.Cur), os.NewSyscallError("setrlimit", err)
	}
	return limitInt(soft.Cur), nil
}

// openMax is fs.nr_open, which not even root can exceed; the kernel's default without /proc.
func openMax() uint64 {
	const kernelDefault = 1 << 20
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		return kernelDefault
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return kernelDefault
	}
	return n
}

func limitInt(limit uint64) int { return int(min(limit, math.MaxInt)) }
