package kit

import (
	"net"
	"os"
	"testing"
	"time"
)

// TestFullBacklog: the first connection to it hangs, and is refused once it is closed.
func TestFullBacklog(t *testing.T) {
	b := FullBacklog(t, Loopback())
	if c, err := net.DialTimeout("tcp", b.At.Address, 100*time.Millisecond); !os.IsTimeout(err) {
		t.Errorf("got %v, %v, want the connection to hang", c, err)
	}
	b.Close()
	if c, err := b.At.dial(); err == nil {
		t.Errorf("got a connection from %v, want it refused", c.LocalAddr())
	}
}
