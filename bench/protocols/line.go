package protocols

import (
	"bytes"
	"fmt"
	"strconv"

	"distcache/bench/load"
	"distcache/codec"
)

var newline = []byte("\r\n")

// longestLine is the longest line that an answer can have, in bytes: more without an end is no answer.
const longestLine = 2048

// line cuts the first line off b, without its end, and says how many bytes it takes with it. It returns codec.ErrShort
// when the end is not there yet.
func line(b []byte) ([]byte, int, error) {
	end := bytes.Index(b[:min(len(b), longestLine)], newline)
	switch {
	case end >= 0:
		return b[:end], end + len(newline), nil
	case len(b) >= longestLine:
		return nil, 0, refuse(b)
	}
	return nil, 0, codec.ErrShort
}

// block cuts a value of so many bytes and its line end off b.
func block(b []byte, size int) ([]byte, int, error) {
	total := size + len(newline)
	if len(b) < total {
		return nil, 0, codec.ErrShort
	}
	if !bytes.Equal(b[size:total], newline) {
		return nil, 0, refuse(b)
	}
	return b[:size], total, nil
}

// size reads a value's length, which is at most that of a session.
func size(text []byte) (int, error) {
	n, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil || n > codec.MaxPayload {
		return 0, refuse(text)
	}
	return int(n), nil
}

func refuse(b []byte) error {
	return fmt.Errorf("%w: %q", ErrAnswer, b[:min(len(b), 80)])
}

// say is the answer without data to what was asked.
func say(asked load.Asked, kind load.AnswerKind) load.Answer {
	return load.Answer{Asked: asked, Kind: kind}
}

// describe quotes each line, for people to read.
func describe(b []byte) []string {
	var lines []string
	for part := range bytes.SplitAfterSeq(b, newline) {
		if len(part) > 0 {
			lines = append(lines, fmt.Sprintf("%q", part))
		}
	}
	return lines
}
