package options

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

var (
	// ErrNotFile is returned for a directory, a FIFO, a device or a socket.
	ErrNotFile = errors.New("it is not a regular file")
	// ErrTooLarge is returned for a file of more bytes than the caller takes.
	ErrTooLarge = errors.New("it is too large")
	// ErrAccess is returned by OwnerOnly.
	ErrAccess = errors.New("other users have access to the file: chmod 600")
)

// OwnerOnly is a check for ReadFile of a file with a secret: other users may not have access to it.
func OwnerOnly(info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%w (its mode is %03o)", ErrAccess, mode)
	}
	return nil
}

// ReadFile reads a regular file of at most so many bytes, once each check has accepted it. What is looked at is what is
// read, whatever the path leads to meanwhile. The errors do not repeat the path. No copy of the content is left behind
// in memory.
func ReadFile(path string, most int, checks ...func(fs.FileInfo) error) ([]byte, error) {
	opened, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0) // opening a FIFO would wait
	if err != nil {
		return nil, withoutPath(err)
	}
	defer opened.Close()
	info, err := opened.Stat()
	switch {
	case err != nil:
		return nil, withoutPath(err)
	case !info.Mode().IsRegular():
		return nil, ErrNotFile
	case info.Size() > int64(most):
		return nil, fmt.Errorf("%w: %d bytes; at most %d are accepted", ErrTooLarge, info.Size(), most)
	}
	for _, check := range checks {
		if err := check(info); err != nil {
			return nil, err
		}
	}
	content := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead)) // it does not grow
	switch _, err = content.ReadFrom(io.LimitReader(opened, int64(most)+1)); {
	case err != nil:
		return nil, withoutPath(err)
	case content.Len() > most: // it has grown meanwhile
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, most)
	}
	return content.Bytes(), nil
}

func withoutPath(err error) error {
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return p.Err
	}
	return err
}
