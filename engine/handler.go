package engine

import "time"

// Handler decides what becomes of clients. All calls come on the loop goroutine; now
// is monotonic time since the loop was made. A client's life is Opened, then any of
// the others, until the Handler calls Clients.Close; nothing is reported after that.
type Handler interface {
	// Opened tells of a new client.
	Opened(c int, now time.Duration)
	// Buffer gives the memory into which c's next bytes are read, which is used before
	// anything else happens. When it is empty, c is not read from until Clients.Resume.
	Buffer(c int) []byte
	// Received tells of bytes, at the start of what Buffer gave.
	Received(c int, b []byte, now time.Duration)
	// Ended tells that c will send no more. It may still be reading.
	Ended(c int, now time.Duration)
	// Failed tells of an error on c's socket.
	Failed(c int, err error, now time.Duration)
	// Drained tells that the socket has taken all that a Write had to hold.
	Drained(c int, now time.Duration)
}
