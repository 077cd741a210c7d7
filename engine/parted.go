package engine

import "distcache/engine/socket"

// barred is how much of the first part of a WriteParted goes behind the barrier: so much
// that a client which reads all before it knows that there is more, and so little that one
// read takes it whole.
const barred = 8

// WriteParted sends b as Write does, but no read over a unix socket takes bytes of before
// and of after its first at bytes, if the socket has room for those. It is Write over TCP,
// where there is no such thing, and to a client that has not read all it was sent: so a
// client can keep one descriptor in the kernel at most. b must be longer than at.
func (cs *Clients) WriteParted(fd int, b []byte, at int) (held bool, err error) {
	c, gone := cs.table[fd], 0
	if c.held == nil && socket.IsUnix(fd) && socket.Unread(fd) == 0 {
		gone = cs.writeBarred(fd, b[:at])
	}
	return c.write(b[gone:]) // which meets the error again, if there was one
}

// writeBarred writes b so that a read ends with it. It returns how much the socket took.
func (cs *Clients) writeBarred(fd int, b []byte) int {
	n := 0
	if open := len(b) - barred; open > 0 {
		n, _ = socket.Write(fd, b[:open])
		if n < open {
			return n
		}
	}
	if cs.loop.barrier == nil {
		return n
	}
	end, _ := cs.loop.barrier.Write(fd, b[n:])
	return n + end
}
