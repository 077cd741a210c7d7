package memcached

import (
	"encoding/binary"
	"strconv"
)

// responseMagic is the first byte of an answer of the binary protocol.
const responseMagic = 0x81

// The status codes of the binary protocol.
const (
	statusOK       = 0x00
	statusNotFound = 0x01
	statusExists   = 0x02
	statusTooLarge = 0x03
	statusInvalid  = 0x04
	statusUnknown  = 0x81
)

// AppendHit appends the beginning of the answer that brings a value of size bytes. The value
// follows, and then what AppendTail appends.
func (h Head) AppendHit(dst, key []byte, size int) []byte {
	if h.Binary {
		if !h.repeatsKey() {
			key = nil
		}
		dst = h.appendHeader(dst, statusOK, len(key), hitExtras, len(key)+hitExtras+size)
		dst = append(dst, 0, 0, 0, 0)
		return append(dst, key...)
	}
	dst = append(dst, "VALUE "...)
	dst = append(dst, key...)
	dst = append(dst, " 0 "...)
	dst = strconv.AppendInt(dst, int64(size), 10)
	if h.CAS {
		dst = append(dst, " 0"...) // so that no client sends one back
	}
	return append(dst, "\r\n"...)
}

// AppendTail appends what follows the value of a hit.
func (h Head) AppendTail(dst []byte) []byte {
	if h.Binary {
		return dst
	}
	return h.appendEnd(append(dst, "\r\n"...))
}

// AppendMiss appends the answer to a get that found nothing.
func (h Head) AppendMiss(dst, key []byte) []byte {
	switch {
	case !h.Binary:
		return h.appendEnd(dst)
	case h.Opcode == opGetQ || h.Opcode == opGetKQ:
		return dst
	case h.Opcode == opGetK:
		return append(h.appendHeader(dst, statusNotFound, len(key), 0, len(key)), key...)
	}
	return h.appendStatus(dst, statusNotFound, "Not found")
}

// appendEnd ends a get, unless more keys follow.
func (h Head) appendEnd(dst []byte) []byte {
	if h.More {
		return dst
	}
	return append(dst, "END\r\n"...)
}

// AppendStored appends the answer to a set or an add that was carried out.
func (h Head) AppendStored(dst []byte) []byte { return h.say(dst, "STORED\r\n", statusOK, "") }

// AppendExists appends the answer to an add of a key that is there.
func (h Head) AppendExists(dst []byte) []byte {
	return h.say(dst, "NOT_STORED\r\n", statusExists, "Data exists for key.")
}

// AppendDeleted appends the answer to a delete that was carried out.
func (h Head) AppendDeleted(dst []byte) []byte {
	if h.Binary && h.Opcode == opDeleteQ {
		return dst
	}
	return h.say(dst, "DELETED\r\n", statusOK, "")
}

// AppendNotFound appends the answer to a delete of a key that is not there.
func (h Head) AppendNotFound(dst []byte) []byte {
	return h.say(dst, "NOT_FOUND\r\n", statusNotFound, "Not found")
}

// AppendDone appends the answer to a Noop, a Tell or a Quit.
func (h Head) AppendDone(dst []byte) []byte {
	if h.Verb == Tell {
		return h.say(dst, "VERSION "+Version+"\r\n", statusOK, Version)
	}
	return h.say(dst, "", statusOK, "")
}

// AppendRefusal appends why the request is not carried out.
func (h Head) AppendRefusal(dst []byte, why Refusal) []byte {
	switch why {
	case BadLine:
		return h.say(dst, "CLIENT_ERROR bad command line format\r\n", statusInvalid, "Invalid arguments")
	case BadUsage:
		return h.say(dst, "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n", statusInvalid, "Invalid arguments")
	case BadChunk:
		return h.say(dst, "CLIENT_ERROR bad data chunk\r\n", statusInvalid, "Invalid arguments")
	case TooLarge:
		return h.say(dst, "SERVER_ERROR object too large for cache\r\n", statusTooLarge, "Too large.")
	case Flags:
		return h.say(dst, "SERVER_ERROR flags other than 0 are not kept\r\n", statusInvalid, "Invalid arguments")
	}
	return h.say(dst, "ERROR\r\n", statusUnknown, "Unknown command")
}

// AppendStat appends one line of the answer to Stats, which ends with AppendEnd.
func AppendStat[T uint64 | int](dst []byte, name string, value T) []byte {
	dst = append(append(append(dst, "STAT "...), name...), ' ')
	return append(strconv.AppendUint(dst, uint64(value), 10), "\r\n"...)
}

// AppendEnd ends the answer to Stats.
func AppendEnd(dst []byte) []byte { return append(dst, "END\r\n"...) }

// say appends an answer in the protocol of the client, unless it wants none.
func (h Head) say(dst []byte, text string, status uint16, body string) []byte {
	switch {
	case h.Quiet:
		return dst
	case h.Binary:
		return h.appendStatus(dst, status, body)
	}
	return append(dst, text...)
}

func (h Head) appendStatus(dst []byte, status uint16, body string) []byte {
	return append(h.appendHeader(dst, status, 0, 0, len(body)), body...)
}

// appendHeader appends the header of an answer, with a CAS of 0.
func (h Head) appendHeader(dst []byte, status uint16, keyLen, extras, body int) []byte {
	var b [headerSize]byte
	b[0], b[offOpcode], b[offExtras] = responseMagic, h.Opcode, byte(extras)
	binary.BigEndian.PutUint16(b[offKeyLen:], uint16(keyLen))
	binary.BigEndian.PutUint16(b[offStatus:], status)
	binary.BigEndian.PutUint32(b[offBody:], uint32(body))
	copy(b[offOpaque:], h.Opaque[:])
	return append(dst, b[:]...)
}

// repeatsKey reports whether a hit brings the key.
func (h Head) repeatsKey() bool { return h.Opcode == opGetK || h.Opcode == opGetKQ }

// NeedsKey reports whether the answer to a get needs its key.
func (h Head) NeedsKey() bool { return !h.Binary || h.repeatsKey() }

// Fits reports whether a hit may bring a value of size bytes; otherwise it is a miss.
func (h Head) Fits(size int) bool { return !h.Binary || h.repeatsKey() || size <= MaxBinaryHit }
