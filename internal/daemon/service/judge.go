package service

import (
	"cmp"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// JudgePidfile tells whether WritePidfile would succeed, without creating, locking or changing anything. A live process
// of this program in the file is a warning, as that may be the one that is to be replaced.
func JudgePidfile(path string) (warning string, err error) {
	warning, err = judgePidfile(path)
	if err != nil {
		return "", fmt.Errorf("-pidfile %s: %w", path, err)
	}
	return warning, nil
}

func judgePidfile(path string) (warning string, err error) {
	folder, base := filepath.Split(path)
	folder = cmp.Or(folder, ".")
	if base == "" {
		return "", fmt.Errorf("%w: the path ends with a folder", ErrPidfileForeign)
	}
	dir, err := unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("folder %s: %w", folder, err)
	}
	defer unix.Close(dir)
	there, err := checkKind(dir, base)
	if err != nil {
		return "", err
	}
	if err := unix.Faccessat(dir, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return "", fmt.Errorf("cannot create a file in its folder: %w", err)
	}
	if !there {
		return "", nil
	}
	return judgeHolder(path, dir, base)
}

func judgeHolder(path string, dir int, base string) (warning string, err error) {
	fd, err := unix.Openat(dir, base, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("cannot open what stands there: %w", err)
	}
	defer unix.Close(fd)
	pid, err := readPid(fd)
	if err != nil || !isLive(pid, programName()) {
		return "", err
	}
	return fmt.Sprintf("-pidfile %s: process %d is a %s: a start is refused until that ends", path, pid, programName()), nil
}
