package plan

import (
	"fmt"
	"time"

	"distcache/codec"
)

// Protocol is the wire that the clients speak: Distcache, or another's (package protocols), so that the same load drives
// other services. One value serves one run, on one goroutine; the slices that it is given
// live only as long as the call.
type Protocol interface {
	// Name is the protocol's name, for reports.
	Name() string
	// AppendRequest appends the request in its wire form.
	AppendRequest(dst []byte, r *Request) []byte
	// ParseAnswer reads the answer to a request at the start of b, and says how many bytes it takes. It returns
	// codec.ErrShort when b holds only the beginning of one, and any other error when it cannot become one.
	ParseAnswer(b []byte, asked Asked) (Answer, int, error)
	// Describe decodes as much as it can of bytes that went one way, a line for each part, for people to read.
	Describe(b []byte, direction codec.Direction) []string
}

// Asked is what an answer belongs to.
type Asked struct {
	Op  codec.Op
	UID uint32
}

// Request is one request.
type Request struct {
	Asked
	ID      []byte
	Data    []byte        // of an ADD
	Timeout time.Duration // of an ADD, whole milliseconds
}

// Answer is one answer, decoded. Where the answers of a protocol do not name their request, it repeats what was asked.
type Answer struct {
	Asked
	Kind AnswerKind
	Data []byte // a GET's session; it lives until the next call of the Protocol
}

// AnswerKind is what an answer says.
type AnswerKind uint8

const (
	// Nonsense is an answer that no request of ours can have.
	Nonsense AnswerKind = iota
	// Yes is: stored, found, removed.
	Yes
	// No is: there already (ADD), not found.
	No
	// Unavailable is: no service behind what answers.
	Unavailable
)

// String returns the kind's name in lower case.
func (k AnswerKind) String() string {
	switch k {
	case Yes:
		return "yes"
	case No:
		return "no"
	case Unavailable:
		return "unavailable"
	}
	return "nonsense"
}

// Pending is a request that was begun and not answered. Times are of the run's clock, in nanoseconds.
type Pending struct {
	Operation
	Client     uint32
	Generation uint32 // of the session's ID
	Begun      int64  // before its bytes were sent
	Intended   int64  // latency counts from here: when it was due (open loop), or begun
}

// Name returns what the ID of its session follows from.
func (p *Pending) Name() sessionName {
	return sessionName{client: p.Client, slot: p.Slot, generation: p.Generation}
}

// Asked returns what its answer must name.
func (p *Pending) Asked() Asked { return Asked{Op: p.Op, UID: p.UID} }

// Encoder makes requests. The same pending always gives the same bytes, so none are kept.
type Encoder struct {
	Plan     *Plan
	Protocol Protocol
	request  Request
	id, data []byte
}

// Append appends the bytes of the request.
func (e *Encoder) Append(dst []byte, p *Pending) []byte {
	e.id = e.Plan.AppendID(e.id[:0], p.Name())
	e.request = Request{Asked: p.Asked(), ID: e.id}
	if p.IsAdd() {
		c := content{tag: e.Plan.tag(p.Client, p.Index), cut: p.cut, size: p.size}
		e.data = e.Plan.appendContent(e.data[:0], c)
		e.request.Data, e.request.Timeout = e.data, p.life()
	}
	return e.Protocol.AppendRequest(dst, &e.request)
}

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
