package daemon

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"distcache/codec/address"
)

// kernelMemory bounds what the kernel holds for the sockets of clients that do not read. It is
// not memory of the process, but a control group counts both.
type kernelMemory struct {
	clients   int64
	perClient int64 // bytes
	limit     int64 // of all clients together, in bytes; 0: none
}

const (
	// socketMemory is what a connection takes with nothing in it, in bytes.
	socketMemory = 4 << 10
	// sendOverrun is how much the last piece written may be over the limit of a unix
	// socket, in bytes.
	sendOverrun = 32 << 10
)

// kernelMemory computes the bound with the kernel's settings, which sysctl reads. A socket that
// is passed in may be TCP, where the kernel holds more.
func (c Config) kernelMemory(sysctl func(name string, field int) (int64, bool)) kernelMemory {
	setting := func(name string, field int, usual int64) int64 {
		if n, ok := sysctl(name, field); ok {
			return n
		}
		return usual
	}
	unix := socketMemory + sendOverrun + setting("net/core/wmem_default", 0, 212992)
	tcp := socketMemory + setting("net/ipv4/tcp_wmem", 2, 4<<20) + setting("net/ipv4/tcp_rmem", 2, 6<<20)
	m := kernelMemory{clients: int64(c.MaxClients)}
	isUnix := func(a address.Address) bool { return a.Kind == address.Unix }
	listen := append(slices.Clone(c.Flags.Listen), c.doorAddresses()...)
	switch {
	case !slices.ContainsFunc(listen, isUnix):
		m.perClient, m.limit = tcp, setting("net/ipv4/tcp_mem", 2, 0)*int64(os.Getpagesize())
	case slices.IndexFunc(listen, func(a address.Address) bool { return !isUnix(a) }) < 0:
		m.perClient = unix
	default: // all clients may come by either
		m.perClient = max(unix, tcp)
	}
	return m
}

// bytes is the bound.
func (m kernelMemory) bytes() int64 {
	all := m.clients * m.perClient
	if m.limit > 0 {
		return min(all, m.limit)
	}
	return all
}

// arithmetic shows how the bound is computed.
func (m kernelMemory) arithmetic() string {
	limit := ""
	if m.limit > 0 {
		limit = fmt.Sprintf(", at most %d MiB (net.ipv4.tcp_mem)", Mebibytes(m.limit))
	}
	return fmt.Sprintf("  kernel bound %d MiB = %d clients that do not read x %d KiB of socket buffers%s\n",
		Mebibytes(m.bytes()), m.clients, m.perClient>>10, limit)
}

// readSysctl reads a field of a setting of the kernel, from 0. It reports false without /proc.
func readSysctl(name string, field int) (int64, bool) {
	text, err := os.ReadFile("/proc/sys/" + name)
	fields := strings.Fields(string(text))
	if err != nil || field >= len(fields) {
		return 0, false
	}
	n, err := strconv.ParseInt(fields[field], 10, 64)
	return n, err == nil
}
