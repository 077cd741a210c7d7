package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"distcache/codec"
)

// event is one record to print. It owns its slices.
type event struct {
	at   time.Time
	conn uint64
	dir  codec.Direction // Request: to the server; Response: to the client

	// note is the text of a record that is not a message: then the fields of a message are zero.
	note string

	uid    uint32
	op     codec.Op
	frames int
	length int // of the payload, in bytes

	id      []byte // of an answer: that of its request
	data    int    // bytes of session in an ADD or the answer to a GET
	timeout time.Duration
	refusal codec.Status // the status that refuses an ADD's payload, or StatusOK

	status  string // of an answer
	took    time.Duration
	unasked bool     // no request of that uid is open
	asked   codec.Op // the operation of that request

	payload []byte // with -data; beside a note: bytes that were not decoded
}

// isNote reports whether the event is a note.
func (e *event) isNote() bool { return e.note != "" }

// visible replaces what a terminal would not show but obey, such as control characters, by Go's
// escapes.
func visible(text string) string {
	hidden := func(r rune) bool { return !unicode.IsGraphic(r) }
	if utf8.ValidString(text) && !strings.ContainsFunc(text, hidden) {
		return text
	}
	quoted := strconv.QuoteToGraphic(text)
	return quoted[1 : len(quoted)-1]
}

// size is roughly the memory that the event takes, in bytes.
func (e *event) size() int { return 256 + len(e.id) + len(e.payload) + len(e.note) }

// The names of answers that are not one status byte.
const (
	statusHit   = "HIT"   // the session that a GET asked for
	statusEmpty = "EMPTY" // how an old dc_client says DISCONNECTED
)

// statusName names what an answer says (PROTOCOL.md, “Operations”). A GET's answer of one
// byte other than NOTOK and DISCONNECTED is a session.
func statusName(op codec.Op, payload []byte) string {
	if len(payload) == 0 {
		return statusEmpty
	}
	s := codec.Status(payload[0])
	switch {
	case op == codec.OpGet && (len(payload) > 1 || s != codec.StatusNotOK && s != codec.StatusDisconnected):
		return statusHit
	case len(payload) > 1:
		return fmt.Sprintf("%d_BYTES", len(payload))
	}
	return s.String()
}

const (
	timeLayout = "15:04:05.000000"

	// The bytes of the beginning and of the end of a session ID that are shown when it is
	// longer than both together.
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
		return append(dst, " unasked: no open request has this uid"...)
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

// jsonEvent is an event as -json prints it. Times are of UTC, took is in microseconds.
type jsonEvent struct {
	Time string `json:"time"` // RFC 3339, with nanoseconds
	Conn uint64 `json:"conn"`
	Kind string `json:"kind"` // request, answer or note
	To   string `json:"to"`   // server or client

	UID     *uint32  `json:"uid,omitempty"`
	Op      string   `json:"op,omitempty"`
	Frames  int      `json:"frames,omitempty"`
	Len     *int     `json:"len,omitempty"`  // of the payload, in bytes
	ID      string   `json:"id,omitempty"`   // of an answer: that of its request
	Data    int      `json:"data,omitempty"` // bytes of session
	Timeout *int64   `json:"timeout_ms,omitempty"`
	Bad     string   `json:"bad,omitempty"` // what an ADD's payload has to be refused with
	Status  string   `json:"status,omitempty"`
	Took    *float64 `json:"took_us,omitempty"`
	Unasked bool     `json:"unasked,omitempty"`
	Asked   string   `json:"asked,omitempty"` // where the request was another operation

	Note    string `json:"note,omitempty"`
	Payload string `json:"payload,omitempty"` // with -data, in hex
}

// appendJSON appends the event as one line.
func appendJSON(dst []byte, e *event) []byte {
	j := jsonEvent{
		Time: e.at.UTC().Format(time.RFC3339Nano), Conn: e.conn, Kind: "note", To: "client",
		Note: e.note, Payload: hex.EncodeToString(e.payload),
	}
	if e.dir == codec.Request {
		j.To = "server"
	}
	if !e.isNote() {
		j.message(e)
	}
	return appendLine(dst, j)
}

func (j *jsonEvent) message(e *event) {
	j.UID, j.Op, j.Frames, j.Len = &e.uid, e.op.String(), e.frames, &e.length
	j.ID, j.Data = hex.EncodeToString(e.id), e.data
	if e.dir == codec.Request {
		j.request(e)
		return
	}
	j.Kind, j.Status, j.Unasked = "answer", e.status, e.unasked
	if !e.unasked {
		took := float64(e.took.Nanoseconds()) / 1e3
		j.Took = &took
		if e.asked != e.op {
			j.Asked = e.asked.String()
		}
	}
}

func (j *jsonEvent) request(e *event) {
	j.Kind = "request"
	switch {
	case e.op != codec.OpAdd:
	case e.refusal != codec.StatusOK:
		j.Bad = e.refusal.String()
	default:
		millis := e.timeout.Milliseconds()
		j.Timeout = &millis
	}
}

// appendLine appends value as a line. Values of this package always have a JSON form.
func appendLine(dst []byte, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return append(append(dst, text...), '\n')
}
