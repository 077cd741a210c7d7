package protocols

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"distcache/bench/load/plan"
	"distcache/codec"
)

// ErrAnswer is returned by ParseAnswer when the bytes cannot become an answer to the request; the text shows them.
var ErrAnswer = errors.New("no such answer")

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
func say(asked plan.Asked, kind plan.AnswerKind) plan.Answer {
	return plan.Answer{Asked: asked, Kind: kind}
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

// memcached is the text protocol of memcached, as twemproxy and dc_client -memcached speak it too.
type memcached struct {
	prefix string // of the keys, before the session ID in hex
}

// Memcached returns memcached's text protocol.
func Memcached() plan.Protocol { return memcached{} }

// Apache returns the same, with the keys of Apache's mod_socache_memcache.
func Apache() plan.Protocol { return memcached{prefix: "mod_ssl-sess:"} }

// Name returns "memcached".
func (memcached) Name() string { return "memcached" }

// AppendRequest appends one command.
func (m memcached) AppendRequest(dst []byte, r *plan.Request) []byte {
	dst = append(dst, command(r.Op)...)
	dst = append(dst, m.prefix...)
	dst = hex.AppendEncode(dst, r.ID)
	if r.Op != codec.OpAdd {
		return append(dst, newline...)
	}
	dst = append(dst, " 0 "...)
	dst = strconv.AppendInt(dst, seconds(r.Timeout), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(len(r.Data)), 10)
	dst = append(dst, newline...)
	dst = append(dst, r.Data...)
	return append(dst, newline...)
}

func command(op codec.Op) string {
	switch op {
	case codec.OpAdd:
		return "add "
	case codec.OpRemove:
		return "delete "
	}
	return "get "
}

// seconds is a timeout as memcached takes it: in whole seconds, below 0 at once, and 0 would be never.
func seconds(timeout time.Duration) int64 {
	if timeout <= 0 {
		return -1
	}
	return int64((timeout + time.Second - 1) / time.Second)
}

// ParseAnswer reads one answer.
func (m memcached) ParseAnswer(b []byte, asked plan.Asked) (plan.Answer, int, error) {
	first, taken, err := line(b)
	if err != nil {
		return plan.Answer{}, 0, err
	}
	if bytes.HasPrefix(first, []byte("SERVER_ERROR")) {
		return say(asked, plan.Unavailable), taken, nil
	}
	if asked.Op == codec.OpGet || asked.Op == codec.OpHave {
		return m.parseGet(b, first, taken, asked)
	}
	kind := plainAnswer(asked.Op, string(first))
	if kind == plan.Nonsense {
		return plan.Answer{}, 0, refuse(b)
	}
	return say(asked, kind), taken, nil
}

func plainAnswer(op codec.Op, text string) plan.AnswerKind {
	switch {
	case op == codec.OpAdd && text == "STORED", op == codec.OpRemove && text == "DELETED":
		return plan.Yes
	case op == codec.OpAdd && text == "NOT_STORED", op == codec.OpRemove && text == "NOT_FOUND":
		return plan.No
	}
	return plan.Nonsense
}

// parseGet reads “VALUE key flags size”, the value, “END”; or “END” alone.
func (memcached) parseGet(b, first []byte, taken int, asked plan.Asked) (plan.Answer, int, error) {
	if string(first) == "END" {
		return say(asked, plan.No), taken, nil
	}
	if !bytes.HasPrefix(first, []byte("VALUE ")) || bytes.Count(first, []byte(" ")) != 3 {
		return plan.Answer{}, 0, refuse(b)
	}
	n, err := size(first[bytes.LastIndexByte(first, ' ')+1:])
	if err != nil {
		return plan.Answer{}, 0, err
	}
	data, used, err := block(b[taken:], n)
	if err != nil {
		return plan.Answer{}, 0, err
	}
	taken += used
	end, used, err := line(b[taken:])
	if err == nil && string(end) != "END" {
		err = refuse(b[taken:])
	}
	if err != nil {
		return plan.Answer{}, 0, err
	}
	return plan.Answer{Asked: asked, Kind: plan.Yes, Data: data}, taken + used, nil
}

// Describe quotes the lines.
func (memcached) Describe(b []byte, _ codec.Direction) []string { return describe(b) }
