package memcached

import (
	"bytes"
	"math"

	"distcache/codec"
)

// maxValueSaid is the largest length of a value that memcached takes for one, in bytes.
const maxValueSaid = math.MaxInt32 - 2

// endOfValue is how many bytes follow a value.
const endOfValue = len("\r\n")

// ParseText reads the first command of b into r. Of a get it takes the first key, and ParseKey
// the next ones. It returns codec.ErrShort when more bytes are needed, or ErrLongLine.
func ParseText(b []byte, r *Request) error {
	*r = Request{}
	within := b[:min(len(b), MaxLine)]
	end := bytes.IndexByte(within, '\n')
	if end < 0 {
		if len(within) == MaxLine {
			return ErrLongLine
		}
		return codec.ErrShort
	}
	r.Size = end + 1
	if end > 0 && b[end-1] == '\r' {
		end--
	}
	line := b[:end]
	at := skipSpaces(line, 0)
	verb := word(line, at)
	switch string(verb) {
	case "get", "gets":
		return r.parseGet(b, line, at+len(verb))
	case "set":
		r.Head.Verb = Set
	case "add":
		r.Head.Verb = Add
	case "delete":
		r.Head.Verb = Delete
	case "version":
		r.Head.Verb = Tell
	case "quit":
		r.Head.Verb, r.Head.Quiet, r.Close = Quit, true, true
	case "stats":
		r.Head.Verb = Stats
		r.Named = skipSpaces(line, at+len(verb)) < len(line)
	default:
		return r.refuse(Unknown)
	}
	switch r.Head.Verb {
	case Set, Add:
		return r.parseStore(b, line, at+len(verb))
	case Delete:
		return r.parseDelete(line, at+len(verb))
	}
	return nil
}

// parseGet checks all keys of the line, which begin at from, and takes the first.
func (r *Request) parseGet(b, line []byte, from int) error {
	r.Head.Verb, r.Head.CAS = Get, line[from-1] == 's'
	keys := 0
	for at := skipSpaces(line, from); at < len(line); keys++ {
		key := word(line, at)
		if !validKey(key) {
			return r.refuse(BadLine)
		}
		at = skipSpaces(line, at+len(key))
		r.Key = key
	}
	if keys == 0 || bytes.IndexByte(line, 0) >= 0 {
		return r.refuse(Unknown)
	}
	if keys > 1 {
		return r.takeKey(b, from)
	}
	return nil
}

// ParseKey reads the next key of a get into r: b begins behind the key before. cas tells that
// the command is gets. The whole line is there, and ParseText has checked it.
func ParseKey(b []byte, cas bool, r *Request) {
	*r = Request{Head: Head{Verb: Get, CAS: cas}}
	_ = r.takeKey(b, 0)
}

// takeKey takes the next key from b[from:]. The bytes behind the last one are taken with it.
func (r *Request) takeKey(b []byte, from int) error {
	at := skipSpaces(b, from)
	end := at
	for end < len(b) && b[end] != ' ' && b[end] != '\r' && b[end] != '\n' {
		end++
	}
	r.Key, r.Size = b[at:end:end], end
	rest := skipSpaces(b, end)
	if rest < len(b) && b[rest] == '\r' {
		rest++
	}
	if rest >= len(b) || b[rest] == '\n' {
		r.Size = min(rest+1, len(b))
	} else {
		r.Head.More = true
	}
	return nil
}

// parseStore reads “key flags exptime bytes [noreply]”, and the value behind the line.
func (r *Request) parseStore(b, line []byte, from int) error {
	var words [6][]byte
	n := split(line, from, words[:])
	if n != 4 && n != 5 || bytes.IndexByte(line, 0) >= 0 {
		return r.refuse(Unknown)
	}
	r.Head.Quiet = n == 5 && string(words[4]) == "noreply"
	flags, ok1 := number(words[1])
	expiry, ok2 := number(words[2])
	size, ok3 := number(words[3])
	if !validKey(words[0]) || !ok1 || flags < 0 || !ok2 || !ok3 || size < 0 || size > maxValueSaid {
		return r.refuse(BadLine)
	}
	r.Key, r.Expiry = words[0], expiry
	if expiry > math.MaxUint32 {
		r.Expiry = int64(uint32(expiry)) // memcached keeps as many bits
	}
	if size > MaxValue {
		r.Swallow = size + int64(endOfValue)
		return r.refuse(TooLarge)
	}
	value := r.Size
	r.Size += int(size) + endOfValue
	if len(b) < r.Size {
		return codec.ErrShort
	}
	r.Value = b[value : value+int(size)]
	switch {
	case b[r.Size-2] != '\r' || b[r.Size-1] != '\n':
		return r.refuse(BadChunk)
	case flags != 0:
		return r.refuse(Flags)
	}
	return nil
}

// parseDelete reads “key [0] [noreply]”.
func (r *Request) parseDelete(line []byte, from int) error {
	var words [4][]byte
	n := split(line, from, words[:])
	if n < 1 || n > 3 || bytes.IndexByte(line, 0) >= 0 {
		return r.refuse(Unknown)
	}
	zero := n > 1 && string(words[1]) == "0"
	r.Head.Quiet = n > 1 && string(words[n-1]) == "noreply"
	switch {
	case n == 2 && !zero && !r.Head.Quiet, n == 3 && !(zero && r.Head.Quiet):
		return r.refuse(BadUsage)
	case !validKey(words[0]):
		return r.refuse(BadLine)
	}
	r.Key = words[0]
	return nil
}

// validKey reports whether the word can be a key.
func validKey(key []byte) bool {
	return len(key) <= MaxKey && bytes.IndexByte(key, '\r') < 0
}

func skipSpaces(b []byte, at int) int {
	for at < len(b) && b[at] == ' ' {
		at++
	}
	return at
}

// word is the word that begins at at.
func word(line []byte, at int) []byte {
	end := len(line)
	if n := bytes.IndexByte(line[at:], ' '); n >= 0 {
		end = at + n
	}
	return line[at:end:end]
}

// split finds the words of the line from there on, and how many they are, up to len(words).
func split(line []byte, from int, words [][]byte) (n int) {
	for at := skipSpaces(line, from); at < len(line) && n < len(words); n++ {
		words[n] = word(line, at)
		at = skipSpaces(line, at+len(words[n]))
	}
	return n
}

// number reads a decimal number of at most 18 digits, with a sign or without.
func number(text []byte) (n int64, ok bool) {
	digits := text
	if len(text) > 0 && (text[0] == '-' || text[0] == '+') {
		digits = text[1:]
	}
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + int64(c-'0')
	}
	if text[0] == '-' {
		n = -n
	}
	return n, true
}
