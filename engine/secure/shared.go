package secure

import "distcache/engine/buffer"

// readSize is how much ciphertext is read from a socket at a time: two records of the largest size.
const readSize = 33 << 10

// Shared is what the Sessions of one loop have in common: the buffer into which ciphertext is read. A Session that has
// not taken all of it when the next one reads gets a copy of its rest.
type Shared struct {
	read []byte
	user *Session     // may have a rest in read
	pool *buffer.Pool // for that copy, and for ciphertext that sockets do not take
}

// NewShared returns the Shared of a loop. pool bounds the ciphertext that is held for all its Sessions.
func NewShared(pool *buffer.Pool) *Shared {
	return &Shared{read: make([]byte, readSize), pool: pool}
}

// buffer gives the read buffer to s.
func (sh *Shared) buffer(s *Session) []byte {
	if sh.user != nil && sh.user != s {
		sh.user.park()
	}
	sh.user = s
	return sh.read
}

// ClientMemory is the most that an idle Session takes once it has read a record of the largest size, in bytes. A handshake
// under way takes no more.
const ClientMemory = 64 << 10
