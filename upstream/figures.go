package upstream

import "distcache/engine/histogram"

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
