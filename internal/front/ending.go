package front

import "time"

// Reason is why the Table ended a client.
type Reason uint8

// The reasons.
const (
	Corrupt        Reason = iota // it sent what is no request
	PartialTimeout               // its request took over WholeTimeout to arrive
	UnreadTimeout                // it left answers unread for ReadTimeout
	IdleTimeout                  // it asked nothing for the idle time
	SocketError                  // its socket failed
	NoMemory                     // the memory for what it has not finished to send, or to read, is used up

	// NumReasons is the number of reasons: tables by reason have this length.
	NumReasons
)

// String gives the name used in logs and metrics.
func (r Reason) String() string {
	switch r {
	case Corrupt:
		return "corrupt"
	case PartialTimeout:
		return "partial-timeout"
	case UnreadTimeout:
		return "unread-timeout"
	case IdleTimeout:
		return "idle-timeout"
	case SocketError:
		return "socket-error"
	case NoMemory:
		return "no-memory"
	}
	return "unknown"
}

// drop ends c for a reason that is counted and told.
func (t *Table) drop(c int, why Reason, err error, now time.Duration) {
	t.Counters.Dropped[why]++
	t.requests.Dropped(c, why, err, now)
	t.close(c)
}

// close ends c.
func (t *Table) close(c int) {
	d := &t.dialogs[c]
	if d.state == open || d.state == parked {
		t.requests.Left(c)
	}
	t.pool.Put(d.held)
	t.count(d.busy(), false)
	t.entries.Clear(c)
	*d = dialog{}
	t.sockets.Close(c)
}
