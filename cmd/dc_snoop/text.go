package main

import (
	"encoding/hex"
	"fmt"
	"strings"

	"distcache/codec"
)

const (
	timeLayout = "15:04:05.000000"

	// Of a session ID that is longer than the two together, in bytes, so much of its
	// beginning and its end is shown.
	idHead = 6
	idTail = 2
)

// appendText appends the event as a line, and its payload as a hex dump below that.
func appendText(dst []byte, e *event) []byte {
	dst = e.at.AppendFormat(dst, timeLayout)
	dst = fmt.Appendf(dst, " #%d %c ", e.conn, arrow(e.dir))
	switch {
	case e.isNote():
		dst = append(append(dst, "-- "...), e.note...)
	case e.dir == codec.Request:
		dst = appendRequest(dst, e)
	default:
		dst = appendAnswer(dst, e)
	}
	dst = append(dst, '\n')
	if len(e.payload) > 0 {
		for line := range strings.Lines(hex.Dump(e.payload)) {
			dst = append(append(dst, "    "...), line...)
		}
	}
	return dst
}

func arrow(dir codec.Direction) byte {
	if dir == codec.Request {
		return '>'
	}
	return '<'
}

func appendRequest(dst []byte, e *event) []byte {
	dst = fmt.Appendf(dst, "uid=%08x %-6v len=%d", e.uid, e.op, e.length)
	dst = appendID(dst, e.id)
	switch {
	case e.op != codec.OpAdd:
	case e.refusal != codec.StatusOK:
		dst = fmt.Appendf(dst, " bad=%v", e.refusal)
	default:
		dst = fmt.Appendf(dst, " data=%d timeout=%dms", e.data, e.timeout.Milliseconds())
	}
	return dst
}

func appendAnswer(dst []byte, e *event) []byte {
	dst = fmt.Appendf(dst, "uid=%08x %-6v len=%d %s", e.uid, e.op, e.length, e.status)
	if e.unasked {
		return append(dst, " to no open request of that uid"...)
	}
	dst = fmt.Appendf(dst, " took=%dus", e.took.Microseconds())
	dst = appendID(dst, e.id)
	if e.asked != e.op {
		dst = fmt.Appendf(dst, " but the request was %v", e.asked)
	}
	return dst
}

// appendID appends the ID in hex, abbreviated, and its length in bytes.
func appendID(dst, id []byte) []byte {
	dst = append(dst, " id="...)
	if len(id) <= idHead+idTail {
		dst = hex.AppendEncode(dst, id)
	} else {
		dst = hex.AppendEncode(dst, id[:idHead])
		dst = append(dst, "…"...)
		dst = hex.AppendEncode(dst, id[len(id)-idTail:])
	}
	return fmt.Appendf(dst, "/%d", len(id))
}
