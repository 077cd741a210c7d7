package memcached

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"distcache/codec"
)

// The keys that hold a session ID begin with one of these.
const (
	apacheKey  = "mod_ssl-sess:"
	nghttpxKey = "nghttpx:tls-session-cache:"
	h2oKey     = "h2o:ssl-session-cache:"
)

// AppendID appends the session ID that a key stands for, of at most codec.MaxIDLen bytes. Keys
// of Apache, nghttpx and h2o hold the ID of a TLS session. Of any other key, and of an ID in
// another spelling than theirs, it is the SHA-256: so no two keys of a kind have one ID.
func AppendID(dst, key []byte) []byte {
	switch {
	case bytes.HasPrefix(key, []byte(apacheKey)):
		if id, ok := appendHex(dst, key[len(apacheKey):]); ok {
			return id
		}
	case bytes.HasPrefix(key, []byte(nghttpxKey)):
		if id, ok := appendHex(dst, key[len(nghttpxKey):]); ok {
			return id
		}
	case bytes.HasPrefix(key, []byte(h2oKey)):
		if id, ok := appendBase64(dst, key[len(h2oKey):]); ok {
			return id
		}
	}
	sum := sha256.Sum256(key)
	return append(dst, sum[:]...)
}

// appendHex decodes an even number of lower-case digits.
func appendHex(dst, digits []byte) ([]byte, bool) {
	if n := len(digits); n == 0 || n%2 != 0 || n > 2*codec.MaxIDLen {
		return dst, false
	}
	all := append(dst, digits[:len(digits)/2]...) // of the right length
	id, wrong := all[len(dst):], byte(0)
	for i := range id {
		high, low := nibbles[digits[2*i]], nibbles[digits[2*i+1]]
		id[i], wrong = high<<4|low, wrong|high|low
	}
	return all, wrong <= 15
}

// nibbles is what each lower-case digit stands for, and over 15 for all other bytes.
var nibbles = func() (table [256]byte) {
	for i := range table {
		table[i] = 0xff
	}
	for i, c := range "0123456789abcdef" {
		table[c] = byte(i)
	}
	return table
}()

// appendBase64 decodes base64url without padding, in the one spelling that there is.
func appendBase64(dst, text []byte) ([]byte, bool) {
	var id [codec.MaxIDLen + 2]byte
	var again [(codec.MaxIDLen + 2) / 3 * 4]byte
	if len(text) == 0 || base64.RawURLEncoding.DecodedLen(len(text)) > codec.MaxIDLen {
		return dst, false
	}
	n, err := base64.RawURLEncoding.Decode(id[:], text)
	if err != nil || n == 0 {
		return dst, false
	}
	base64.RawURLEncoding.Encode(again[:], id[:n]) // the decoder passes over ends of lines and spare bits
	if !bytes.Equal(again[:base64.RawURLEncoding.EncodedLen(n)], text) {
		return dst, false
	}
	return append(dst, id[:n]...), true
}

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
