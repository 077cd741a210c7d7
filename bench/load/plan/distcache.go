package plan

import (
	"fmt"

	"distcache/codec"
)

// distcache is the Protocol of PROTOCOL.md.
type distcache struct {
	payload []byte // of the ADD that is being built
	data    []byte // of an answer in several frames
}

// Distcache returns the distcache protocol.
func Distcache() Protocol {
	return &distcache{
		payload: make([]byte, 0, codec.MaxPayload),
		data:    make([]byte, 0, codec.MaxPayload),
	}
}

// Name returns "distcache".
func (d *distcache) Name() string { return "distcache" }

// AppendRequest appends the frames of one request.
func (d *distcache) AppendRequest(dst []byte, r *Request) []byte {
	if r.Op != codec.OpAdd {
		return codec.AppendMessage(dst, codec.Request, r.UID, r.Op, r.ID)
	}
	d.payload = codec.AppendAdd(d.payload[:0], codec.Add{Timeout: r.Timeout, ID: r.ID, Data: r.Data})
	return codec.AppendMessage(dst, codec.Request, r.UID, r.Op, d.payload)
}

// ParseAnswer reads one message.
func (d *distcache) ParseAnswer(b []byte, asked Asked) (Answer, int, error) {
	frames := codec.NewAssembler(codec.Response)
	m, err := frames.Next(b)
	if err != nil {
		return Answer{}, 0, err
	}
	a := Answer{Asked: Asked{Op: m.Op, UID: m.UID}, Data: m.Payload(d.data)}
	a.Kind = answerKind(asked.Op, a.Data)
	return a, len(m.Wire), nil
}

// answerKind takes an empty payload as the reference means it: no connection to dc_server.
func answerKind(op codec.Op, payload []byte) AnswerKind {
	switch {
	case len(payload) == 0:
		return Unavailable
	case len(payload) > 1 && op == codec.OpGet:
		return Yes
	case len(payload) > 1:
		return Nonsense
	}
	switch status := codec.Status(payload[0]); {
	case status == codec.StatusDisconnected:
		return Unavailable
	case op == codec.OpAdd && status == codec.StatusAddExists, op != codec.OpAdd && status == codec.StatusNotOK:
		return No
	case op != codec.OpGet && status == codec.StatusOK:
		return Yes
	}
	return Nonsense
}

// Describe names the fields of every header, valid or not.
func (d *distcache) Describe(b []byte, direction codec.Direction) []string {
	var lines []string
	for at := 0; at < len(b); {
		rest := b[at:]
		if len(rest) < codec.HeaderSize {
			return append(lines, fmt.Sprintf("%5d  %d bytes, the beginning of a header (14 bytes)", at, len(rest)))
		}
		line, size := describeFrame(rest)
		lines = append(lines, fmt.Sprintf("%5d  %s", at, line))
		if _, err := codec.ParseHeader(rest, direction); err != nil {
			return append(lines, fmt.Sprintf("%5d  %v", at, err))
		}
		at += min(size, len(rest))
	}
	return lines
}

// describeFrame reads the header by hand, because codec refuses to name the fields of a corrupt one.
func describeFrame(b []byte) (string, int) {
	be32 := func(at int) uint32 {
		return uint32(b[at])<<24 | uint32(b[at+1])<<16 | uint32(b[at+2])<<8 | uint32(b[at+3])
	}
	length := int(b[12])<<8 | int(b[13])
	have := min(len(b)-codec.HeaderSize, length)
	line := fmt.Sprintf("proto_level 0x%08x is_response %d request_uid 0x%08x op_class %d operation %d (%v) complete %d data_len %d",
		be32(0), b[4], be32(5), b[9], b[10], codec.Op(b[10]), b[11], length)
	if have < length {
		line += fmt.Sprintf(" (%d of them here)", have)
	}
	if have == 1 && length == 1 {
		line += " status " + codec.Status(b[codec.HeaderSize]).String()
	}
	return line, codec.HeaderSize + length
}
