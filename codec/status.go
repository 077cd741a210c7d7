package codec

import "strconv"

// Status is the one payload byte of every answer but a GET's hit (PROTOCOL.md, “Operations”).
type Status uint8

// The status codes. Those from 100 on answer an ADD alone.
const (
	StatusOK           Status = 0
	StatusNotOK        Status = 1
	StatusDisconnected Status = 2

	StatusAddCorrupt Status = 100 // the payload does not parse
	StatusAddExists  Status = 101 // such a session is there already
	StatusAddTimeout Status = 102 // the timeout is over MaxTimeout
	StatusAddIDLen   Status = 103 // the id is empty or over MaxIDLen
	StatusAddDataLen Status = 104 // the data is over MaxDataLen
)

// String gives the name used in logs and by dc_snoop.
func (s Status) String() string {
	switch s {
	case StatusOK:
		return "OK"
	case StatusNotOK:
		return "NOTOK"
	case StatusDisconnected:
		return "DISCONNECTED"
	case StatusAddCorrupt:
		return "CORRUPT"
	case StatusAddExists:
		return "EXISTS"
	case StatusAddTimeout:
		return "TIMEOUT_RANGE"
	case StatusAddIDLen:
		return "ID_LENGTH"
	case StatusAddDataLen:
		return "DATA_LENGTH"
	}
	return "Status(" + strconv.Itoa(int(s)) + ")"
}
