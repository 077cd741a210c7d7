package kit

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"distcache/codec"
)

// connectPatience is how long a connect may take before the test is told.
const connectPatience = Patience

// Endpoint is where something listens.
type Endpoint struct {
	Network string // "unix" or "tcp"
	Address string // a path, or host:port
}

// String gives the endpoint in the syntax of -listen and -server (PROTOCOL.md,
// “Addresses”).
func (e Endpoint) String() string {
	if e.Network == "unix" {
		return "UNIX:" + e.Address
	}
	return "IP:" + e.Address
}

// Unix is a path for a socket that nobody uses, short enough for any unix socket. It
// goes away with the test.
func Unix(t testing.TB) Endpoint {
	t.Helper()
	return Endpoint{"unix", filepath.Join(SocketDir(t), "s")}
}

// Loopback is a free port of a random address in 127.0.0.0/8: listen on it, then ask the
// listener for the port that it was given. No other test uses the address, so a port that is
// given up for a while is still free afterwards.
func Loopback() Endpoint {
	return Endpoint{"tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))}
}

// SocketDir is a fresh directory whose path leaves room for names in the 107 bytes of a
// unix socket's, which t.TempDir does not. It goes away with the test.
func SocketDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func (e Endpoint) dial() (net.Conn, error) {
	return net.DialTimeout(e.Network, e.Address, connectPatience)
}

// listen listens and gives the endpoint as it became: with the port chosen.
func (e Endpoint) listen() (net.Listener, Endpoint, error) {
	l, err := net.Listen(e.Network, e.Address)
	if err != nil {
		return nil, e, fmt.Errorf("listen on %v: %w", e, err)
	}
	return l, Endpoint{e.Network, l.Addr().String()}, nil
}

// closeWrite sends the end of the stream and goes on reading.
func closeWrite(c net.Conn) error {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return fmt.Errorf("half close of %T: %w", c, errors.ErrUnsupported)
	}
	return half.CloseWrite()
}

// reset closes c with an RST. A unix socket knows none: there the other side reads the
// end of the stream, or ECONNRESET when it has sent what was not read.
func reset(c net.Conn) error {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	return c.Close()
}

// Add is an ADD in wire form. ttl is sent in whole milliseconds; nothing is checked.
func Add(uid uint32, id, data string, ttl time.Duration) []byte {
	payload := codec.AppendAdd(nil, codec.Add{Timeout: ttl, ID: []byte(id), Data: []byte(data)})
	return Ask(uid, codec.OpAdd, payload)
}

// Get is a GET in wire form.
func Get(uid uint32, id string) []byte { return Ask(uid, codec.OpGet, []byte(id)) }

// Remove is a REMOVE in wire form.
func Remove(uid uint32, id string) []byte { return Ask(uid, codec.OpRemove, []byte(id)) }

// Have is a HAVE in wire form.
func Have(uid uint32, id string) []byte { return Ask(uid, codec.OpHave, []byte(id)) }

// Ask is a request with any payload, in wire form.
func Ask(uid uint32, op codec.Op, payload []byte) []byte {
	return codec.AppendMessage(nil, codec.Request, uid, op, payload)
}

// Hit is the answer to a GET that found data, in wire form.
func Hit(uid uint32, data string) []byte { return Answer(uid, codec.OpGet, []byte(data)) }

// Status is an answer of one status byte, in wire form.
func Status(uid uint32, op codec.Op, s codec.Status) []byte {
	return codec.AppendStatus(nil, uid, op, s)
}

// Answer is an answer with any payload, in wire form.
func Answer(uid uint32, op codec.Op, payload []byte) []byte {
	return codec.AppendMessage(nil, codec.Response, uid, op, payload)
}
