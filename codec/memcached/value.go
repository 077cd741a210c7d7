package memcached

import (
	"bytes"
	"time"

	"distcache/codec"
)

// plain is the shortest value that is stored as it is, in bytes. libdistcache, and the status of
// an answer, leave no room for shorter ones.
const plain = 5

// mark begins a stored value that is not what the client gave: the rest is.
var mark = []byte("\x00mcd:")

// AppendStored appends what a value is stored as. Values of TLS sessions are stored as they are.
// A value that is empty or shorter than plain, or that begins with mark, gets mark in front.
func AppendValue(dst, value []byte) []byte {
	if Marked(value) {
		dst = append(dst, mark...)
	}
	return append(dst, value...)
}

// Marked reports whether AppendValue adds MarkSize bytes to the value.
func Marked(value []byte) bool { return len(value) < plain || bytes.HasPrefix(value, mark) }

// MarkSize is how much longer a value may become by AppendValue, in bytes.
const MarkSize = 5

// Skip is how many of the first bytes of a stored value are not the client's.
func Skip(stored []byte) int {
	if bytes.HasPrefix(stored, mark) {
		return MarkSize
	}
	return 0
}

// relative is the largest expiry that is a number of seconds from now. A larger one is a Unix time.
const relative = 30 * 24 * 60 * 60

// Life is how long a value lives that was stored with this expiry. gone tells that it has expired
// already. unixNow tells the time of the wall clock, in seconds; it is called for a Unix time alone.
func Life(expiry int64, unixNow func() int64) (life time.Duration, gone bool) {
	switch {
	case expiry == 0:
		return codec.MaxTimeout, false
	case expiry > relative:
		expiry -= unixNow()
	}
	if expiry <= 0 {
		return 0, true
	}
	return time.Duration(min(expiry, int64(codec.MaxTimeout/time.Second))) * time.Second, false
}
