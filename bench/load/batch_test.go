package load

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// callers are the ways to carry out a batch that this machine has.
func callers(t *testing.T, to *target) map[string]caller {
	t.Helper()
	all := map[string]caller{"system calls": &plain{target: to}}
	r, err := newRing(to)
	if err != nil {
		t.Logf("no io_uring here: %v", err)
		return all
	}
	t.Cleanup(r.close)
	all[r.name()] = r
	return all
}

// pair returns two sockets that are connected.
func pair(t *testing.T) (ours *client, theirs int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &client{fd: int32(fds[0]), number: 5}, fds[1]
}

func TestBatchIsCarriedOutInOrder(t *testing.T) {
	to := unixTarget(filepath.Join(kit.SocketDir(t), "s"))
	for name, caller := range callers(t, &to) {
		t.Run(name, func(t *testing.T) {
			c, theirs := pair(t)
			defer closeSocket(theirs)
			b := newBatch(1000)
			b.receive(c, 100) // nothing is there yet
			b.outbox = append(b.outbox, "one"...)
			b.send(c, 0, 1)
			b.outbox = append(b.outbox, "three"...)
			b.send(c, 3, 2)
			b.socket()
			b.close(c.fd)
			b.receive(c, 100) // after the close
			caller.run(b)
			if got := b.calls[0].errno(); !again(got) {
				t.Errorf("receive of nothing: got %v, want %v", got, unix.EAGAIN)
			}
			if one, three := b.calls[1].result, b.calls[2].result; one != 3 || three != 5 {
				t.Errorf("sends: got %d and %d, want 3 and 5 bytes", one, three)
			}
			if fd := b.calls[3].result; fd < 0 {
				t.Errorf("socket: got %v, want a descriptor", b.calls[3].errno())
			} else {
				closeSocket(int(fd))
			}
			if got := b.calls[5].errno(); got != unix.EBADF {
				t.Errorf("receive after the close: got %v, want %v", got, unix.EBADF)
			}
			got := make([]byte, 100)
			n, _ := unix.Read(theirs, got)
			if string(got[:n]) != "onethree" {
				t.Errorf("the other side got %q, want %q", got[:n], "onethree")
			}
		})
	}
}

func TestBatchReceives(t *testing.T) {
	to := unixTarget(filepath.Join(kit.SocketDir(t), "s"))
	for name, caller := range callers(t, &to) {
		t.Run(name, func(t *testing.T) {
			c, theirs := pair(t)
			defer closeSocket(int(c.fd))
			if _, err := unix.Write(theirs, []byte("some answer")); err != nil {
				t.Fatal(err)
			}
			b := newBatch(16)
			for range 4 {
				if !b.receive(c, 4) {
					t.Fatal("got no room for 16 bytes in 16")
				}
			}
			if b.receive(c, 1) {
				t.Error("got room for 17 bytes in 16")
			}
			caller.run(b)
			got := ""
			for i := range b.calls {
				got += string(b.bytes(&b.calls[i])[:max(0, b.calls[i].result)])
			}
			if got != "some answer" {
				t.Errorf("got %q, want %q", got, "some answer")
			}
			closeSocket(theirs)
			b.reset()
			b.receive(c, 4)
			caller.run(b)
			if b.calls[0].result != 0 {
				t.Errorf("at the end: got %d, want 0", b.calls[0].result)
			}
		})
	}
}

// TestLongBatch has more calls than the ring has entries.
func TestLongBatch(t *testing.T) {
	to := unixTarget(filepath.Join(kit.SocketDir(t), "s"))
	for name, caller := range callers(t, &to) {
		t.Run(name, func(t *testing.T) {
			c, theirs := pair(t)
			defer closeSocket(int(c.fd))
			defer closeSocket(theirs)
			const n = 2*ringEntries + 100
			b := newBatch(n)
			sent := make([]byte, n)
			for i := range n {
				sent[i] = byte(i)
				b.receive(c, 1)
			}
			if k, err := unix.Write(theirs, sent); k != n {
				t.Fatal(k, err)
			}
			caller.run(b)
			for i := range n {
				if got := &b.calls[i]; got.result != 1 || b.bytes(got)[0] != byte(i) {
					t.Fatalf("receive %d: got result %d and byte %d, want 1 and %d", i, got.result, b.bytes(got)[0], byte(i))
				}
			}
		})
	}
}
