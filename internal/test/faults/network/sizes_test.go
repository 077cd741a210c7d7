package network

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestN07EveryCut sends messages of all sizes around the ends of frames and buffers over a link
// that cuts them differently each time, in both directions. All bytes arrive unchanged.
func TestN07EveryCut(t *testing.T) {
	t.Parallel()
	random := kit.Random(t)
	var anyhow []int
	for range 97 {
		anyhow = append(anyhow, 1+random.IntN(3000))
	}
	for _, row := range []struct {
		name   string
		chunks []int
		large  bool // sizes of some KB too
	}{
		{"whole", nil, true},
		{"1 byte", []int{1}, false},
		{"random", anyhow, true},
		{"around a header", []int{13, 1, 14, 15, 2048, 2047, 2049}, true},
		{"around a frame", []int{2061, 1, 2062, 2063, 2057, 2067}, true},
		{"around two", []int{4095, 4096, 4097, 4091, 4101}, true},
		{"around a page of pages", []int{16383, 16384, 16385, 16379, 16389}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			stalled, err := carryCut(t, row.chunks, sizes(row.large))
			for try := 1; stalled && try < 10; try++ {
				kit.TooSlow(t, "got %v, as a part of a request was held for too long: again", err)
				stalled, err = carryCut(t, row.chunks, sizes(row.large))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// carryCut carries sessions over a link that passes bytes on in chunks of those sizes. stalled
// tells that it failed because the machine kept a part of a request for longer than dc_server
// waits for the rest.
func carryCut(t *testing.T, chunks, sizes []int) (stalled bool, err error) {
	t.Helper()
	server, where := kit.NewRig(t).Server()
	way := kit.NewProxy(t, where)
	way.Up.Chunks(chunks...)
	way.Down.Chunks(chunks...)
	_, at := kit.NewRig(t).Client(way.Endpoint(), "-timeout=60000")
	err = carry(t, at, sizes)
	if got := way.Conns(); err == nil && got != 1 {
		err = fmt.Errorf("got %d connections, want the first to have lasted", got)
	}
	return err != nil && strings.Contains(server.Stderr(), "reason=partial-timeout"), err
}

// sizes are those within 5 bytes of each boundary: of what is sent, headers included. The short
// form has five of them, and three byte by byte, where each cut is made whatever the size.
func sizes(large bool) (all []int) {
	boundaries, short := []int{14, 2048, 2062, 4096}, []int{-5, 0, 5}
	if large {
		boundaries, short = append(boundaries, 16384, 32768-64), []int{-5, -1, 0, 1, 5}
	}
	around := kit.Sized(short, []int{-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5})
	for _, b := range boundaries {
		for _, n := range around {
			all = append(all, b+n)
		}
	}
	return all
}

// carry adds a session of each size and gets it back.
func carry(t *testing.T, at kit.Endpoint, sizes []int) error {
	t.Helper()
	client := kit.Dial(t, at)
	client.SetPatience(patience)
	for n, size := range sizes {
		id := fmt.Sprintf("%d bytes", size)
		data := bytes.Repeat([]byte(fmt.Sprintf("%d:", n)), size)[:size]
		m, err := client.Do(kit.Add(uint32(n), id, string(data), time.Hour))
		if err != nil {
			return fmt.Errorf("ADD of %s: %w", id, err)
		}
		if status, err := codec.ParseStatus(m); status != codec.StatusOK || err != nil {
			return fmt.Errorf("ADD of %s: got %v, %w, want OK", id, status, err)
		}
		if m, err = client.Do(kit.Get(uint32(n), id)); err != nil {
			return fmt.Errorf("GET of %s: %w", id, err)
		}
		if difference := kit.Difference(m.Payload(nil), data); difference != "" {
			return fmt.Errorf("session of %s: %s", id, difference)
		}
	}
	return nil
}

// TestN08ShortWrites gives the sockets the smallest buffers, so that almost no write is taken
// whole. Many large messages at a time arrive unchanged.
func TestN08ShortWrites(t *testing.T) {
	t.Parallel()
	n := newLAN(t)
	for _, ns := range []string{n.client, n.server} {
		for _, name := range []string{"net.ipv4.tcp_wmem", "net.ipv4.tcp_rmem"} {
			n.ip("netns", "exec", ns, "sysctl", "-q", "-w", name+"=4096 4096 4096")
		}
	}
	n.startServer()
	_, at := n.startClient("-timeout=60000")
	done := make(chan error, 10)
	for c := range 10 {
		go func() { done <- carryLarge(at, c) }()
	}
	for range 10 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// carryLarge adds and gets large sessions, as client c.
func carryLarge(at kit.Endpoint, c int) error {
	conn, err := kit.Connect(at)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	conn.SetPatience(patience)
	for n := range 5 {
		id := fmt.Sprintf("%d of client %d", n, c)
		data := bytes.Repeat([]byte(id+","), 1000)
		m, err := conn.Do(kit.Add(1, id, string(data), time.Hour))
		if err != nil || m.Payload(nil)[0] != byte(codec.StatusOK) {
			return fmt.Errorf("ADD of %s: got %x, %v, want OK", id, m.Payload(nil), err)
		}
		if m, err = conn.Do(kit.Get(2, id)); err != nil {
			return fmt.Errorf("GET of %s: %w", id, err)
		}
		if difference := kit.Difference(m.Payload(nil), data); difference != "" {
			return fmt.Errorf("GET of %s: %s", id, difference)
		}
	}
	return nil
}
