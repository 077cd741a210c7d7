package hostile

import (
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/front"
	"distcache/internal/test/kit"
)

// TestH10WhoReadsSlowlyIsNotEnded has clients ask for more than their sockets take and then
// read, a little at a time, for longer than those have who read nothing. All the answers come.
func TestH10WhoReadsSlowlyIsNotEnded(t *testing.T) {
	t.Parallel()
	for network, sip := range map[string]int{"unix": 2 << 10, "tcp": 8 << 10} { // bytes
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			process, at := kit.NewRig(t).Server(listen(t, network)...)
			addBig(t, at)
			const asked = 300 // of 32 KB: more than sockets take
			c := kit.Dial(t, at)
			c.Send(slices.Repeat(kit.Get(1, big), asked))
			read := 0
			for began := time.Now(); time.Since(began) < front.ReadTimeout+time.Second; read += sip {
				if _, err := c.Read(sip); err != nil {
					t.Fatalf("got %v after %d bytes and %v; stderr:\n%s", err, read, time.Since(began), process.Stderr())
				}
				time.Sleep(100 * time.Millisecond) // the pace of the client
			}
			one := codec.MessageSize(bigSize)
			if _, err := c.Read(asked*one - read); err != nil {
				t.Fatalf("got %v, want the rest of the answers", err)
			}
			c.ExpectStatus(kit.Have(2, big), codec.StatusOK)
		})
	}
}
