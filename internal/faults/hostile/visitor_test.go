package hostile

import (
	"io"
	"net"
	"time"

	"distcache/internal/testkit"
)

// traffic is what passed over the connections of an attacker, in bytes.
type traffic struct{ sent, got int64 }

// visitor is one connection of an attacker. Its errors are dropped: what hostile clients
// do is refused at any moment.
type visitor struct {
	sock  net.Conn
	count *traffic
}

// visit connects.
func visit(at testkit.Endpoint, count *traffic) (*visitor, error) {
	sock, err := net.Dial(at.Network, at.Address)
	if err != nil {
		return nil, err
	}
	_ = sock.SetDeadline(time.Now().Add(patience))
	return &visitor{sock, count}, nil
}

func (v *visitor) send(b []byte) {
	n, _ := v.sock.Write(b)
	v.count.sent += int64(n)
}

func (v *visitor) read(n int) {
	got, _ := io.ReadFull(v.sock, make([]byte, n))
	v.count.got += int64(got)
}

// readAll reads until the other side ends the connection.
func (v *visitor) readAll() {
	n, _ := io.Copy(io.Discard, v.sock)
	v.count.got += n
}

func (v *visitor) leave() { _ = v.sock.Close() }
