package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"distcache/internal/daemon/listen"
)

// createCapture makes the file of -pcap, which only the owner may read: it holds secrets. An
// older file there is replaced, because other users may have it open. A device, or a named pipe
// of one's own that is being read, is written to. Anything else there is an error. Without -pcap
// it returns nil.
func createCapture(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	file, err := openCapture(path)
	if err != nil {
		return nil, fmt.Errorf("-pcap: %w", err)
	}
	return file, nil
}

func openCapture(path string) (*os.File, error) {
	var st unix.Stat_t
	err := os.NewSyscallError("lstat", unix.Lstat(path, &st))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case err != nil:
	case kind == unix.S_IFREG:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("cannot replace the older file: %w", err)
		}
	case kind == unix.S_IFIFO, kind == unix.S_IFCHR:
		return openExisting(path)
	default:
		return nil, fmt.Errorf("%s is %s: give the path of a regular file", path, listen.FileKind(st.Mode))
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
}

// openExisting opens a device or a named pipe, without waiting for a reader of the pipe.
func openExisting(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%w: start its reader first", err)
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	st := info.Sys().(*syscall.Stat_t)
	switch kind := st.Mode & unix.S_IFMT; {
	case kind != unix.S_IFIFO && kind != unix.S_IFCHR:
		err = fmt.Errorf("%s was replaced by another file", path)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		err = fmt.Errorf("%s is %s of user %d, who could read the secrets", path, listen.FileKind(st.Mode), st.Uid)
	default:
		return file, nil
	}
	return nil, errors.Join(err, file.Close())
}
