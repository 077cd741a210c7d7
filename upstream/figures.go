package upstream

import (
	"time"

	"distcache/engine/deadline"
	"distcache/engine/histogram"
)

// Figures is what a Server counts, since start. Servers that follow each other share one
// (Config.Figures), so that no total falls.
type Figures struct {
	Mux   MuxCounters
	Link  LinkCounters
	Times Times
}

// LinkCounters are totals since start.
type LinkCounters struct {
	Batches  histogram.Sizes // requests that left in one write: those of one turn
	Sent     uint64          // bytes of requests
	Received uint64          // bytes of answers
}

// Times is how long requests took, from Submit to their end.
type Times struct {
	Answered histogram.Histogram // answered by dc_server in time
	Late     histogram.Histogram // answered by dc_server after they had timed out
	GivenUp  histogram.Histogram // answered with DISCONNECTED, after Timeout or when the connection was lost
}

// stampShift makes a time a stamp: units of 1,024 ns, of which 32 bits last for 73 minutes.
const stampShift = 10

const (
	// latenessWindow is how long late requests are counted before they are reported.
	latenessWindow = 2 * time.Second
	// latenessEvery is the least time between two reports.
	latenessEvery = time.Minute
)

// Lateness reports requests that dc_server did not answer within Timeout.
type Lateness struct {
	Late     uint64        // requests that were not answered in time, probes included
	Of       uint64        // requests that were answered or given up meanwhile
	Answered uint64        // of the late ones, those whose answers came after all
	Took     time.Duration // what these took, on average; 0: none came
}

// lateness gathers a Lateness. It is touched only when a request is late, and when a late
// answer comes.
type lateness struct {
	tell   func(Lateness) // nil: nothing is counted
	base   uint64         // requests settled when the window began
	due    time.Duration  // when the window ends; deadline.Never: no window is open
	next   time.Duration  // when the next report may come
	report Lateness
	total  time.Duration // what the Answered ones took together
}

func newLateness(c Config) lateness {
	return lateness{tell: c.Late, due: deadline.Never}
}

// late counts a request whose time is up. settled is the number of requests before it.
func (l *lateness) late(settled uint64, now time.Duration) {
	if l.tell == nil {
		return
	}
	if l.due == deadline.Never {
		l.base, l.report, l.total = settled, Lateness{}, 0
		l.due = max(now+latenessWindow, l.next)
	}
	l.report.Late++
}

// came counts the late answer to a request that was submitted so long ago.
func (l *lateness) came(took time.Duration) {
	if l.due != deadline.Never {
		l.report.Answered++
		l.total += took
	}
}

// expire reports when the window is over.
func (l *lateness) expire(settled uint64, now time.Duration) {
	if now < l.due {
		return
	}
	l.due, l.next = deadline.Never, now+latenessEvery
	l.report.Of = settled - l.base
	if l.report.Answered > 0 {
		l.report.Took = l.total / time.Duration(l.report.Answered)
	}
	l.tell(l.report)
}
