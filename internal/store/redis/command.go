package redis

import (
	"strconv"
	"time"

	"distcache/codec"
)

// verb is what a server is asked to do.
type verb uint8

const (
	get    verb = iota // GET key
	set                // SET key value NX PX ttl
	del                // DEL key
	exists             // EXISTS key
)

// verbOf chooses the command of an operation. Redis refuses a time to live of 0: an ADD that expires at once stores nothing,
// and is only to tell whether the ID is there.
func verbOf(op codec.Op, ttl time.Duration) verb {
	switch {
	case op == codec.OpGet:
		return get
	case op == codec.OpRemove:
		return del
	case op == codec.OpAdd && ttl >= time.Millisecond:
		return set
	}
	return exists
}

// appendTTL appends the argument of PX: milliseconds from now. The clocks of two hosts are never compared.
func appendTTL(b []byte, ttl time.Duration) []byte {
	return strconv.AppendInt(b, ttl.Milliseconds(), 10)
}

// probeOp is the operation that a probe stands for.
const probeOp = codec.OpHave

// shape is the form of a reply.
type shape uint8

const (
	isError  shape = iota // text is the reason
	isStatus              // as +OK
	isNumber
	isBulk
	isNull
	isOther // an array, or what is not of RESP2
)

// reply is what a server answered to one command, or why it did not.
type reply struct {
	shape  shape
	kind   Kind // of an error
	number int64
	data   []byte // of a bulk; may be wiped
	text   string // of an error
	broken bool   // there was no connection, or it was lost: the server has not answered
}

// failure makes the reply to a command that the server has not answered.
func failure(k Kind, text string) reply {
	return reply{shape: isError, kind: k, text: text, broken: true}
}

// refusal makes the reply of an error that the server answered.
func refusal(text string) reply {
	return reply{shape: isError, kind: kindOf(text), text: harmless(text)}
}

// outcome is what a reply means to the client.
type outcome struct {
	status codec.Status
	data   []byte // of a GET's hit
	kind   Kind   // OK, or why the status is StatusDisconnected
}

// outcomeOf maps the reply to a command that an operation became.
func outcomeOf(op codec.Op, v verb, r *reply) outcome {
	switch {
	case r.shape == isError:
		return outcome{status: codec.StatusDisconnected, kind: r.kind}
	case v == get && r.shape == isBulk && len(r.data) > 0:
		return outcome{data: r.data}
	case v == get && (r.shape == isNull || r.shape == isBulk):
		return outcome{status: codec.StatusNotOK}
	case v == set && r.shape == isStatus:
		return outcome{}
	case v == set && r.shape == isNull:
		return outcome{status: codec.StatusAddExists}
	case (v == del || v == exists) && r.shape == isNumber && (r.number == 0 || r.number == 1):
		return outcome{status: statusOf(op, r.number == 1)}
	}
	return outcome{status: codec.StatusDisconnected, kind: Protocol}
}

// statusOf is the answer to an operation that asked whether the ID was there.
func statusOf(op codec.Op, there bool) codec.Status {
	switch {
	case op == codec.OpAdd && there:
		return codec.StatusAddExists
	case op == codec.OpAdd || there:
		return codec.StatusOK
	}
	return codec.StatusNotOK
}
