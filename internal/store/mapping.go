package store

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kernelPage is the step in which the kernel hands out memory, in bytes.
const kernelPage = 4 << 10

// hugeFrom is the size in bytes from which the index of a store asks for huge pages: then
// small ones are too many for the processor's translation cache.
const hugeFrom = 4 << 20

// mapSlice maps n zero values of T, which must hold no pointers. The kernel commits a
// page when it is first touched.
func mapSlice[T any](n int) ([]T, error) {
	var zero T
	b, err := mapBytes(n*int(unsafe.Sizeof(zero)), unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return nil, err
	}
	if len(b) >= hugeFrom {
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // a kernel without them refuses: no harm
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// unmapSlice undoes mapSlice.
func unmapSlice[T any](s []T) error {
	if len(s) == 0 {
		return nil
	}
	var zero T
	size := roundUp(len(s)*int(unsafe.Sizeof(zero)), kernelPage)
	return unmapBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), size))
}

// mapBytes maps private anonymous memory of size bytes, rounded up to kernelPage.
func mapBytes(size, protection int) ([]byte, error) {
	size = roundUp(size, kernelPage)
	b, err := unix.Mmap(-1, 0, size, protection, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("%w: mmap of %d bytes: %w; lower the number of sessions or the bytes, or raise the limit on address space", ErrMemory, size, err)
	}
	return b, nil
}

func unmapBytes(b []byte) error {
	if err := unix.Munmap(b); err != nil {
		return fmt.Errorf("cache: munmap of %d bytes: %w", len(b), err)
	}
	return nil
}

// roundUp rounds n up to a multiple of step.
func roundUp(n, step int) int { return (n + step - 1) / step * step }
