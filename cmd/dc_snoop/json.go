package main

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"distcache/codec"
)

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

// appendLine appends a value of this package's own, which always has a form in JSON.
func appendLine(dst []byte, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return append(append(dst, text...), '\n')
}
