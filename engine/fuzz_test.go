package engine

import (
	"bytes"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The steps of FuzzClients, each followed by a byte that says which client or how much.
const (
	fuzzConnect = iota
	fuzzSend
	fuzzRead
	fuzzUrgent
	fuzzHalfClose
	fuzzClose
	fuzzTurn
	fuzzSteps
)

// FuzzClients lets the input decide what clients do on real sockets: come, send any
// bytes, read some of what comes back, half close, leave. The server sends everything
// back, in two parts where the bytes say so. No client gets a byte that is not its own
// next one, and at the end nobody is there and nothing is lent.
func FuzzClients(f *testing.F) {
	f.Add([]byte{fuzzConnect, 0, fuzzSend, 3, fuzzRead, 9, fuzzClose, 0})
	f.Add([]byte{fuzzConnect, 0, fuzzConnect, 0, fuzzSend, 255, fuzzSend, 254, fuzzTurn, 0, fuzzHalfClose, 0, fuzzRead, 255, fuzzClose, 1})
	f.Add([]byte{fuzzConnect, 0, fuzzSend, 200, fuzzUrgent, 0, fuzzSend, 201, fuzzClose, 0, fuzzConnect, 0, fuzzSend, 99, fuzzRead, 99})
	s := &script{}
	s.received = func(c int, b []byte) {
		var err error
		if len(b) > 1 && b[0]%2 == 1 {
			_, err = s.clients.WriteParted(c, b, 1+int(b[0])%(len(b)-1))
		} else {
			_, err = s.clients.Write(c, b)
		}
		if err != nil {
			s.close(c)
		}
	}
	srv := serve(f, s, limits{})
	f.Fuzz(func(t *testing.T, steps []byte) {
		srv.t = t // f itself may not be used in here
		defer func() { srv.t = f }()
		srv.do(func() { s.t = t })
		all := &crowd{t: t, srv: srv}
		for ; len(steps) >= 2 && len(steps) < 400; steps = steps[2:] {
			all.step(steps[0]%fuzzSteps, int(steps[1]))
		}
		all.leave()
	})
}

// crowd is the clients of one input.
type crowd struct {
	t       *testing.T
	srv     *server
	fds     []int
	sent    [][]byte // by client: what it has sent and not got back
	urgent  []bool   // it has sent bytes out of band: what comes back is not known
	current byte
}

func (c *crowd) step(what byte, which int) {
	if what == fuzzConnect && len(c.fds) < 8 {
		c.connect()
	}
	if len(c.fds) == 0 {
		return
	}
	i := which % len(c.fds)
	switch what {
	case fuzzSend:
		c.send(i, which*which)
	case fuzzRead:
		c.read(i, which*which)
	case fuzzUrgent:
		_ = unix.Sendto(c.fds[i], []byte("!"), unix.MSG_OOB|unix.MSG_NOSIGNAL, nil)
		c.urgent[i] = true
	case fuzzHalfClose:
		_ = unix.Shutdown(c.fds[i], unix.SHUT_WR)
	case fuzzClose:
		c.close(i)
	case fuzzTurn:
		c.srv.do(func() {})
	}
}

func (c *crowd) connect() {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	if err := unix.Connect(fd, c.srv.at); err != nil {
		c.t.Fatal(err)
	}
	c.fds, c.sent, c.urgent = append(c.fds, fd), append(c.sent, nil), append(c.urgent, false)
}

// send sends n bytes, or as many as the socket takes: each client's go on counting.
func (c *crowd) send(i, n int) {
	b := make([]byte, n)
	for k := range b {
		c.current++
		b[k] = c.current
	}
	if n, err := unix.SendmsgN(c.fds[i], b, nil, nil, unix.MSG_NOSIGNAL); err == nil {
		c.sent[i] = append(c.sent[i], b[:n]...)
	}
}

// read reads up to n bytes, which must be those that were sent.
func (c *crowd) read(i, n int) {
	b := make([]byte, n+1)
	n, err := unix.Read(c.fds[i], b)
	if err != nil || n <= 0 || c.urgent[i] {
		return
	}
	if n > len(c.sent[i]) || !bytes.Equal(b[:n], c.sent[i][:n]) {
		c.t.Fatalf("client %d got %d bytes that are not its own next ones", i, n)
	}
	c.sent[i] = c.sent[i][n:]
}

func (c *crowd) close(i int) {
	_ = unix.Close(c.fds[i])
	last := len(c.fds) - 1
	c.fds[i], c.sent[i], c.urgent[i] = c.fds[last], c.sent[last], c.urgent[last]
	c.fds, c.sent, c.urgent = c.fds[:last], c.sent[:last], c.urgent[:last]
}

// leave lets all go, and holds that nothing of them stays.
func (c *crowd) leave() {
	for len(c.fds) > 0 {
		c.close(0)
	}
	began := time.Now()
	for gone := false; !gone; {
		c.srv.do(func() {
			gone = c.srv.clients.Len() == 0 && c.srv.pool.Lent() == 0
		})
		if time.Since(began) > soon {
			c.t.Fatalf("clients that left are still there after %v", soon)
		}
	}
}
