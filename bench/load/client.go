package load

// client is one of those who ask at the same time. It has at most one connection.
type client struct {
	stream stream
	number uint32
	fd     int32 // of the connection, or noFD
	link   link

	place      place // who looks after it
	prev, next int32 // its neighbours in a queue, by number

	// Its unanswered requests are a ring of pendings, in the order in which they were begun. The newest of them are not
	// with the connection yet.
	first  uint32 // where the oldest is
	count  uint32 // how many there are
	queued uint32 // how many are in a batch that is not carried out yet
	unsent uint32 // how many come after those

	quota uint64 // how many operations it may still begin in this phase
	owed  uint64 // open loop: how many are due and not begun
	paced uint64 // open loop: how many have been begun

	in  []byte // the beginning of an answer; nil mostly
	out []byte // what the socket did not take; nil mostly

	previous Asked // the last request that was answered on this connection, if served
	served   bool
	until    int64 // when it stops resting
}

const noFD = -1

// link is the state of a client's connection.
type link uint8

const (
	closed   link = iota
	knocking      // the listener's backlog was full: connect is to be tried again
	open          // connected, or a TCP connection under way, which behaves like one that does not take bytes yet
)

// place says who looks after a client.
type place uint8

const (
	nowhere   place = iota
	inWaiting       // in the queue for answers
	inEpoll         // in the epoll set
	inKnocking
	inResting
)

// sent returns how many requests the connection has taken that are unanswered.
func (c *client) sent() uint32 { return c.count - c.queued - c.unsent }
