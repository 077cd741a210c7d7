package protocols

import (
	"bytes"
	"strconv"

	"distcache/bench/load/plan"
	"distcache/codec"
)

// redis is RESP2, the protocol of Redis and Valkey.
type redis struct{}

// Redis returns the protocol of Redis and Valkey.
func Redis() plan.Protocol { return redis{} }

// Name returns "redis".
func (redis) Name() string { return "redis" }

// AppendRequest appends one command.
func (redis) AppendRequest(dst []byte, r *plan.Request) []byte {
	switch r.Op {
	case codec.OpAdd:
		dst = append(dst, "*6\r\n$3\r\nSET\r\n"...)
		dst = appendBulk(dst, r.ID)
		dst = appendBulk(dst, r.Data)
		dst = append(dst, "$2\r\nNX\r\n$2\r\nPX\r\n"...)
		var millis [20]byte // Redis takes no timeout of 0
		return appendBulk(dst, strconv.AppendInt(millis[:0], max(1, r.Timeout.Milliseconds()), 10))
	case codec.OpRemove:
		dst = append(dst, "*2\r\n$3\r\nDEL\r\n"...)
	case codec.OpHave:
		dst = append(dst, "*2\r\n$6\r\nEXISTS\r\n"...)
	default:
		dst = append(dst, "*2\r\n$3\r\nGET\r\n"...)
	}
	return appendBulk(dst, r.ID)
}

func appendBulk(dst, text []byte) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(text)), 10)
	dst = append(dst, newline...)
	dst = append(dst, text...)
	return append(dst, newline...)
}

// ParseAnswer reads one answer.
func (d redis) ParseAnswer(b []byte, asked plan.Asked) (plan.Answer, int, error) {
	first, taken, err := line(b)
	if err != nil {
		return plan.Answer{}, 0, err
	}
	switch {
	case isBusy(first):
		return say(asked, plan.Unavailable), taken, nil
	case string(first) == "$-1" && (asked.Op == codec.OpGet || asked.Op == codec.OpAdd):
		return say(asked, plan.No), taken, nil
	case len(first) > 1 && first[0] == '$' && asked.Op == codec.OpGet:
		return d.parseBulk(b, first[1:], taken, asked)
	}
	kind := shortAnswer(asked.Op, string(first))
	if kind == plan.Nonsense {
		return plan.Answer{}, 0, refuse(b)
	}
	return say(asked, kind), taken, nil
}

// isBusy reports whether an error is of the server's state rather than of the request.
func isBusy(first []byte) bool {
	for _, code := range []string{"-LOADING", "-OOM", "-BUSY", "-MASTERDOWN", "-CLUSTERDOWN"} {
		if bytes.HasPrefix(first, []byte(code)) {
			return true
		}
	}
	return false
}

func shortAnswer(op codec.Op, text string) plan.AnswerKind {
	counts := op == codec.OpRemove || op == codec.OpHave
	switch {
	case op == codec.OpAdd && text == "+OK", counts && text == ":1":
		return plan.Yes
	case counts && text == ":0":
		return plan.No
	}
	return plan.Nonsense
}

func (redis) parseBulk(b, length []byte, taken int, asked plan.Asked) (plan.Answer, int, error) {
	n, err := size(length)
	if err != nil {
		return plan.Answer{}, 0, err
	}
	data, used, err := block(b[taken:], n)
	if err != nil {
		return plan.Answer{}, 0, err
	}
	return plan.Answer{Asked: asked, Kind: plan.Yes, Data: data}, taken + used, nil
}

// Describe quotes the lines.
func (redis) Describe(b []byte, _ codec.Direction) []string { return describe(b) }
