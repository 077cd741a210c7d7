package poll

import (
	"github.com/panjf2000/gnet/v2/pkg/netpoll"
)

// Events says what may be worth trying on a descriptor.
type Events uint32

// Readable reports whether a read may tell something: bytes, the end, an error.
func (e Events) Readable() bool {
	return e&(netpoll.ReadEvents|netpoll.ErrEvents) != 0
}

// Writable reports whether a write may tell something.
func (e Events) Writable() bool {
	return e&(netpoll.WriteEvents|netpoll.ErrEvents) != 0
}

// Interest is what a descriptor is watched for, level-triggered.
type Interest uint8

// The interests. With None nothing is reported, not even an error or a hang-up.
const (
	None      Interest = 0
	Read      Interest = 1
	Write     Interest = 2
	ReadWrite Interest = Read | Write
)

// Handler is told of a descriptor's events.
type Handler interface {
	// Ready is called on the loop goroutine, once a turn at most. The descriptor may be
	// closed, and others too, from within.
	Ready(ev Events)
}
