package load

import "golang.org/x/sys/unix"

// plain is the caller that makes a system call of each call: for kernels without io_uring, or with one that may not be
// used, as in many containers.
type plain struct{ target *target }

func (p *plain) name() string { return "system calls" }

func (p *plain) close() {}

func (p *plain) run(b *batch) {
	for i := range b.calls {
		c := &b.calls[i]
		n, errno := p.call(b, c)
		c.result = int32(n)
		if errno != 0 {
			c.result = -int32(errno)
		}
	}
}

func (p *plain) call(b *batch, c *call) (int, unix.Errno) {
	switch c.kind {
	case callSocket:
		return openSocket(p.target.family)
	case callSend:
		return sendSocket(int(c.fd), b.bytes(c))
	case callReceive:
		return receiveSocket(int(c.fd), b.bytes(c))
	}
	closeSocket(int(c.fd))
	return 0, 0
}
