package plan

import (
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
