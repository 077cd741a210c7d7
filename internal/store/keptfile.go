package store

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"unsafe"

	"distcache/codec"

	"golang.org/x/sys/unix"
)

// The header of a kept file. The checksum covers all that is before it; the state changes later. There is
// a copy of all but the state: a process that is killed while it writes one of them leaves the other.
const (
	headerLayout   = 8  // after headerMagic
	headerSize     = 16 // of the file, in bytes
	headerSessions = 24 // what the index must have room for
	headerBoot     = 32 // the run of the kernel, whose clock the expiry times are of
	headerSum      = 48
	headerState    = 52
	headerCopy     = 64
	headerEnd      = headerCopy + headerState
)

const headerMagic = "dcKEPT\r\n"

// The states of the file. A process that is killed leaves stateInUse.
const (
	stateInUse uint32 = 0x55736564
	stateClean uint32 = 0x456e6465
)

// keptVersion is to be raised with each change of the layout that its numbers do not show.
const keptVersion = 1

// layout is a hash of all that must be the same in the program that wrote the file.
func layout() uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, keptVersion, keptDirectory, keptArena, pageSize, refUnit, unsafe.Sizeof(uintptr(0)),
		recordDataLen, recordIDLen, recordSpare, recordHeader, recordTrailer, codec.MaxIDLen, codec.MaxDataLen)
	for _, c := range newClasses().list {
		fmt.Fprintln(h, c.size, c.slots)
	}
	return h.Sum64()
}

// bootID is the kernel's random name of this run.
func bootID() (id [headerSum - headerBoot]byte, err error) {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id, err
	}
	n, err := hex.Decode(id[:], []byte(strings.ReplaceAll(strings.TrimSpace(string(text)), "-", "")))
	if err == nil && n != len(id) {
		err = errors.New("the kernel's boot_id is too short")
	}
	return id, err
}

// writeHeader writes what readHeader checks. sessions is what the index must have room for.
func (k *kept) writeHeader(sessions int) error {
	boot, err := bootID()
	if err != nil {
		return err
	}
	h := make([]byte, headerState)
	copy(h, headerMagic)
	binary.LittleEndian.PutUint64(h[headerLayout:], layout())
	binary.LittleEndian.PutUint64(h[headerSize:], uint64(len(k.mapping)))
	binary.LittleEndian.PutUint64(h[headerSessions:], uint64(sessions))
	copy(h[headerBoot:], boot[:])
	binary.LittleEndian.PutUint32(h[headerSum:], crc32.Checksum(h[:headerSum], castagnoli))
	copy(k.mapping[headerCopy:], h)
	copy(k.mapping, h)
	return nil
}

// sumFits reports whether the checksum of a header is right.
func sumFits(h []byte) bool {
	return binary.LittleEndian.Uint32(h[headerSum:]) == crc32.Checksum(h[:headerSum], castagnoli)
}

// setState notes what a process that takes the file over has to expect.
func (k *kept) setState(state uint32) { atomic.StoreUint32(k.word(headerState), state) }

// readHeader checks the header of a file of that size, in bytes, and returns what the index must
// have room for.
func (k *kept) readHeader(size int64) (sessions int, err error) {
	h := make([]byte, headerEnd)
	n, err := unix.Pread(k.fd, h, 0)
	if err == nil && n != len(h) {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return 0, fmt.Errorf("their header cannot be read: %w", err)
	}
	boot, err := bootID()
	if err != nil {
		return 0, err
	}
	state := binary.NativeEndian.Uint32(h[headerState:])
	if !sumFits(h) && sumFits(h[headerCopy:]) {
		h = h[headerCopy:]
	}
	number := func(at int) uint64 { return binary.LittleEndian.Uint64(h[at:]) }
	switch {
	case string(h[:headerLayout]) != headerMagic:
		return 0, errors.New("the memfd has no header of dc_server")
	case !sumFits(h):
		return 0, errors.New("the checksum of the header is wrong")
	case number(headerLayout) != layout():
		return 0, errors.New("they are of another version, with another layout")
	case number(headerSize) > uint64(size):
		return 0, fmt.Errorf("the header tells of %d bytes, and %d are there", number(headerSize), size)
	case !bytes.Equal(h[headerBoot:headerSum], boot[:]):
		return 0, errors.New("the machine has been started since")
	case number(headerSessions) < 1 || number(headerSessions) > maxSessions:
		return 0, fmt.Errorf("the header tells of %d sessions", number(headerSessions))
	case state != stateInUse && state != stateClean:
		return 0, fmt.Errorf("the header has the state %#x", state)
	}
	k.clean = state == stateClean
	return int(number(headerSessions)), nil
}

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
			if err == nil { // the file is shorter
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("%s of %d bytes: %w", name, len(b), err)
		}
		done += max(n, 0)
	}
	return nil
}
