package hostile

import (
	"io"
	"net"
	"sync/atomic"
	"time"

	"distcache/internal/test/kit"
)

// traffic is what passed over the connections of an attacker, in bytes.
type traffic struct{ sent, got atomic.Int64 }

// visitor is one connection of an attacker. Its errors are dropped: what hostile clients
// do is refused at any moment.
type visitor struct {
	sock  net.Conn
	count *traffic
}

// visit connects.
func visit(at kit.Endpoint, count *traffic) (*visitor, error) {
	sock, err := net.Dial(at.Network, at.Address)
	if err != nil {
		return nil, err
	}
	_ = sock.SetDeadline(time.Now().Add(patience))
	return &visitor{sock, count}, nil
}

// send reports whether all went out.
func (v *visitor) send(b []byte) bool {
	n, err := v.sock.Write(b)
	v.count.sent.Add(int64(n))
	return err == nil
}

func (v *visitor) read(n int) {
	got, _ := io.ReadFull(v.sock, make([]byte, n))
	v.count.got.Add(int64(got))
}

// readAll reads until the other side ends the connection.
func (v *visitor) readAll() {
	b := make([]byte, 1<<16)
	for {
		n, err := v.sock.Read(b)
		v.count.got.Add(int64(n))
		if err != nil {
			return
		}
	}
}

func (v *visitor) leave() { _ = v.sock.Close() }
