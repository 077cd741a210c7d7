package store

import (
	"bytes"
	"fmt"

	"distcache/codec"

	"golang.org/x/sys/unix"
)

// allocate takes the kernel's memory for a part of the arena. Without it the kernel would end the
// process that touches memory which is not there.
func (k *kept) allocate(from, size int) error { return k.fallocate(0, from, size) }

// release gives the memory of a part of the arena back to the kernel.
func (k *kept) release(from, size int) error {
	return k.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, from, size)
}

func (k *kept) fallocate(mode uint32, from, size int) error {
	for {
		err := unix.Fallocate(k.fd, mode, int64(keptArena+from), int64(size))
		if err != unix.EINTR {
			return err
		}
	}
}

// read copies the beginning of page n to b. An adoption reads each byte once: to map all of the
// arena for that would cost more, many times more in a virtual machine.
func (k *kept) read(n uint32, b []byte) error {
	return k.whole("pread", b, func(b []byte, done int64) (int, error) { return unix.Pread(k.fd, b, offset(n)+done) })
}

// has reports whether the record at r has that id. What cannot be read has it not.
func (k *kept) has(r ref, id []byte) bool {
	var b [recordHeader + codec.MaxIDLen]byte
	n, err := unix.Pread(k.fd, b[:recordHeader+len(id)], keptArena+int64(r)*refUnit)
	return err == nil && n == recordHeader+len(id) && int(b[recordIDLen]) == len(id) && bytes.Equal(b[recordHeader:n], id)
}

// write copies b to the beginning of page n.
func (k *kept) write(n uint32, b []byte) error {
	return k.whole("pwrite", b, func(b []byte, done int64) (int, error) { return unix.Pwrite(k.fd, b, offset(n)+done) })
}

// offset is where page n is in the file.
func offset(n uint32) int64 { return keptArena + int64(n)*pageSize }

// whole calls fn until it has dealt with all of b.
func (k *kept) whole(name string, b []byte, fn func(b []byte, done int64) (int, error)) error {
	for done := 0; done < len(b); {
		n, err := fn(b[done:], int64(done))
		if n <= 0 && err != unix.EINTR {
			return fmt.Errorf("%s of %d bytes: %d, %w", name, len(b), n, err)
		}
		done += max(n, 0)
	}
	return nil
}
