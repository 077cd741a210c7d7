package kit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"distcache/codec"

	"golang.org/x/sys/unix"
)

// Patience is how long one call of a Conn may take unless told otherwise: far more than
// anything on one machine needs, far less than a test run.
const Patience = time.Minute

// Conn is a client's connection of exact bytes: what is written goes out as it is, what
// comes in is given back as it came. Its calls return errors, so that any goroutine may
// make them; one goroutine may read while another writes.
type Conn struct {
	sock     net.Conn
	patience time.Duration
	arrived  []byte // read from the socket, not handed out
	answers  codec.Assembler
}

// Connect connects to whatever listens there.
func Connect(at Endpoint) (*Conn, error) {
	sock, err := at.dial()
	if err != nil {
		return nil, fmt.Errorf("connect to %v: %w", at, err)
	}
	return &Conn{sock: sock, patience: Patience, answers: codec.NewAssembler(codec.Response)}, nil
}

// SetPatience sets how long one call may take.
func (c *Conn) SetPatience(d time.Duration) { c.patience = d }

// Socket is the connection itself, for what is set on sockets.
func (c *Conn) Socket() net.Conn { return c.sock }

// Write sends all the bytes in one write.
func (c *Conn) Write(b ...[]byte) error {
	c.writeDeadline()
	_, err := c.sock.Write(slices.Concat(b...))
	return err
}

// Taken reports whether the other side, over a unix socket, has read all that was written.
func (c *Conn) Taken() bool {
	raw, err := c.sock.(syscall.Conn).SyscallConn()
	if err != nil {
		return false
	}
	left, told := 0, false
	err = raw.Control(func(fd uintptr) {
		n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
		left, told = n, err == nil
	})
	return err == nil && told && left == 0
}

// Trickle sends b in pieces of size bytes, gap apart.
func (c *Conn) Trickle(b []byte, size int, gap time.Duration) error {
	for piece := range slices.Chunk(b, size) {
		c.writeDeadline()
		if _, err := c.sock.Write(piece); err != nil {
			return err
		}
		time.Sleep(gap)
	}
	return nil
}

// Read gives the next n bytes. At the end of the stream it gives those that came
// before, with io.EOF when there are none and io.ErrUnexpectedEOF when there are some.
func (c *Conn) Read(n int) ([]byte, error) {
	c.readDeadline(c.patience)
	for len(c.arrived) < n {
		if err := c.fill(); err != nil {
			got := c.take(len(c.arrived))
			return got, endOf(err, len(got))
		}
	}
	return c.take(n), nil
}

// ReadMessage gives the next whole answer, which is the caller's to keep. It returns
// io.EOF when the stream ends before it, io.ErrUnexpectedEOF when within, and a
// *codec.CorruptError when it cannot be one.
func (c *Conn) ReadMessage() (codec.Message, error) {
	c.readDeadline(c.patience)
	for {
		m, err := c.answers.Next(c.arrived)
		if err == nil {
			m.Wire = c.take(len(m.Wire))
			return m, nil
		}
		if !errors.Is(err, codec.ErrShort) {
			return codec.Message{}, err
		}
		if err := c.fill(); err != nil {
			return codec.Message{}, endOf(err, len(c.arrived))
		}
	}
}

// ReadAll gives everything until the end of the stream.
func (c *Conn) ReadAll() ([]byte, error) {
	c.readDeadline(c.patience)
	for {
		switch err := c.fill(); {
		case errors.Is(err, io.EOF):
			return c.take(len(c.arrived)), nil
		case err != nil:
			return c.take(len(c.arrived)), err
		}
	}
}

// Do sends a request and gives its answer.
func (c *Conn) Do(request []byte) (codec.Message, error) {
	if err := c.Write(request); err != nil {
		return codec.Message{}, err
	}
	return c.ReadMessage()
}

// Quiet returns nil when nothing arrives for that long, neither bytes nor the end.
func (c *Conn) Quiet(d time.Duration) error {
	if len(c.arrived) == 0 {
		c.readDeadline(d)
		switch err := c.fill(); {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
	}
	return fmt.Errorf("got %d bytes: %x", len(c.arrived), c.arrived[:min(40, len(c.arrived))])
}

// CloseWrite sends the end of the stream; answers can still be read.
func (c *Conn) CloseWrite() error { return closeWrite(c.sock) }

// Reset closes with an RST (SO_LINGER 0). A unix socket knows none: there the peer gets
// ECONNRESET when it has sent what was not read here, else the end of the stream.
func (c *Conn) Reset() error { return reset(c.sock) }

// Close closes the connection. Closing it again does nothing.
func (c *Conn) Close() error {
	if err := c.sock.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

func (c *Conn) writeDeadline() { _ = c.sock.SetWriteDeadline(time.Now().Add(c.patience)) }

func (c *Conn) readDeadline(d time.Duration) { _ = c.sock.SetReadDeadline(time.Now().Add(d)) }

// fill reads once from the socket.
func (c *Conn) fill() error {
	c.arrived = slices.Grow(c.arrived, codec.FrameSize)
	n, err := c.sock.Read(c.arrived[len(c.arrived):cap(c.arrived)])
	c.arrived = c.arrived[:len(c.arrived)+n]
	if n > 0 {
		return nil
	}
	return err
}

// take hands out the first n bytes that arrived. What is left begins anew.
func (c *Conn) take(n int) []byte {
	out := bytes.Clone(c.arrived[:n])
	c.answers = codec.NewAssembler(codec.Response)
	c.arrived = c.arrived[:copy(c.arrived, c.arrived[n:])]
	return out
}

// endOf says whether the stream ended between two things or within one.
func endOf(err error, arrived int) error {
	if errors.Is(err, io.EOF) && arrived > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}
