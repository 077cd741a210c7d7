package codec

import (
	"encoding/binary"
	"errors"
	"slices"
)

// The oracle is PROTOCOL.md once more, written to be obviously right and not to be
// fast: it only ever judges whole headers, and says of the beginning of one that it
// is good when some rest would make it valid.

type verdict string

const (
	whole   verdict = "whole"
	short   verdict = "short"
	corrupt verdict = "corrupt"
)

func verdictOf(err error) verdict {
	switch {
	case err == nil:
		return whole
	case errors.Is(err, ErrShort):
		return short
	}
	return corrupt
}

// judge says what the bytes at hand of a message's first header are worth.
func judge(b []byte, dir Direction) verdict { return judgeNext(b, nil, 0, dir) }

// judgeNext says what the bytes at hand of a header are worth when the message began
// with the header first (nil: it is this one) and has that much payload already.
func judgeNext(b, first []byte, payload int, dir Direction) verdict {
	if len(b) >= 14 {
		if validHeader(b[:14], dir) && belongs(b, first, payload) {
			return whole
		}
		return corrupt
	}
	for _, good := range [][]byte{
		frame(dir, 0, OpAdd, 1, nil),
		frame(dir, 0, OpAdd, 0, make([]byte, 2048)),
	} {
		if first != nil {
			copy(good[5:11], first[5:11])
		}
		head := slices.Concat(b, good[len(b):14])
		if validHeader(head, dir) && belongs(head, first, payload) {
			return short
		}
	}
	return corrupt
}

func validHeader(b []byte, dir Direction) bool {
	dataLen := binary.BigEndian.Uint16(b[12:14])
	return b[0] == 0x00 && b[1] == 0x11 &&
		b[4] == byte(dir) &&
		b[9] == 0 &&
		b[10] <= 3 &&
		(b[11] == 1 && dataLen <= 2048 || b[11] == 0 && dataLen == 2048)
}

// belongs says whether a valid header goes on with the message that first began.
func belongs(b, first []byte, payload int) bool {
	if first == nil {
		return true
	}
	return string(b[5:9]) == string(first[5:9]) && b[10] == first[10] &&
		payload+int(binary.BigEndian.Uint16(b[12:14])) <= 32768
}

// split cuts stream into messages. The verdict is that on what follows the last
// whole one: short, also when nothing follows.
func split(stream []byte, dir Direction) (wires [][]byte, rest verdict) {
	for {
		n, v := firstMessage(stream, dir)
		if v != whole {
			return wires, v
		}
		wires = append(wires, stream[:n])
		stream = stream[n:]
	}
}

// firstMessage gives the length of the message at the start of b.
func firstMessage(b []byte, dir Direction) (int, verdict) {
	var first []byte
	size, payload := 0, 0
	for {
		head := b[size:]
		if v := judgeNext(head, first, payload, dir); v != whole {
			return 0, v
		}
		first = b[:14]
		dataLen := int(binary.BigEndian.Uint16(head[12:14]))
		payload += dataLen
		size += 14 + dataLen
		if size > len(b) {
			return 0, short
		}
		if head[11] == 1 {
			return size, whole
		}
	}
}
