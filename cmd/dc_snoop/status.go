package main

import (
	"fmt"

	"distcache/codec"
)

// What an answer is called that is not one status byte.
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
