package daemon

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
	"distcache/engine/socket"
)

// TestF02KernelBound holds the arithmetic of the kernel's memory for clients that do not read.
func TestF02KernelBound(t *testing.T) {
	page := int64(os.Getpagesize())
	settings := map[string][]int64{
		"net/core/wmem_default": {100 << 10}, "net/ipv4/tcp_wmem": {1, 2, 1 << 20}, "net/ipv4/tcp_rmem": {1, 2, 2 << 20},
		"net/ipv4/tcp_mem": {1, 2, 64 << 20 / page},
	}
	some := func(name string, field int) (int64, bool) { return settings[name][field], true }
	none := func(string, int) (int64, bool) { return 0, false }
	for _, row := range []struct {
		name    string
		kind    address.Kind
		clients int
		sysctl  func(string, int) (int64, bool)
		want    int64
		text    string
	}{
		{"unix", address.Unix, 10, some, 10 * (136 << 10), "  kernel bound 2 MiB = 10 clients that do not read x 136 KiB of socket buffers\n"},
		{"unix, without /proc", address.Unix, 1000, none, 1000 * (212992 + 36<<10), "x 244 KiB"},
		{"TCP", address.TCP, 10, some, 10 * (3<<20 + 4<<10), "at most 64 MiB (net.ipv4.tcp_mem)\n"},
		{"TCP, more than the kernel's limit", address.TCP, 1000, some, 64 << 20, "kernel bound 64 MiB = 1000 clients"},
		{"TCP, without /proc", address.TCP, 10, none, 10 * (10<<20 + 4<<10), "of socket buffers\n"},
		{"passed in", address.Systemd, 10, some, 10 * (3<<20 + 4<<10), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := Config{MaxClients: row.clients}
			c.Flags.Listen = []address.Address{{Kind: row.kind}}
			m := c.kernelMemory(row.sysctl)
			if got := m.bytes(); got != row.want {
				t.Errorf("got %d bytes, want %d", got, row.want)
			}
			if got := m.arithmetic(); !strings.Contains(got, row.text) {
				t.Errorf("got %q, want %q in it", got, row.text)
			}
		})
	}
}

// TestF02SocketsHoldNoMoreThanCounted writes to unix sockets that are not read, in pieces of
// many sizes.
func TestF02SocketsHoldNoMoreThanCounted(t *testing.T) {
	c := Config{MaxClients: 1}
	c.Flags.Listen = []address.Address{{Kind: address.Unix}}
	most := int(c.kernelMemory(readSysctl).bytes())
	for _, size := range []int{1, 200, 4 << 10, 32 << 10, 64 << 10, 100 << 10} {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		for piece := make([]byte, size); err == nil; {
			_, err = socket.Write(pair[0], piece)
		}
		if got := socket.Unread(pair[0]); got > most || got < most/2 {
			t.Errorf("in pieces of %d bytes: the kernel holds %d bytes, want at most %d and at least half of that", size, got, most)
		}
		_, _ = unix.Close(pair[0]), unix.Close(pair[1])
	}
}
