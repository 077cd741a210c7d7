package codec

import (
	"testing"
	"time"
)

// The wire never changes: a constant that does is a mistake, whatever else agrees with it.
func TestWireConstants(t *testing.T) {
	tests := []struct {
		name      string
		got, want int
	}{
		{"Version", Version, 0x0011},
		{"offVersion", offVersion, 0},
		{"offPatch", offPatch, 2},
		{"offResponse", offResponse, 4},
		{"offUID", offUID, 5},
		{"offClass", offClass, 9},
		{"offOperation", offOperation, 10},
		{"offComplete", offComplete, 11},
		{"offDataLen", offDataLen, 12},
		{"HeaderSize", HeaderSize, 14},
		{"MaxFrameData", MaxFrameData, 2048},
		{"FrameSize", FrameSize, 2062},
		{"MaxPayload", MaxPayload, 32768},
		{"MaxMessageSize", MaxMessageSize, 33006},
		{"Request", int(Request), 0},
		{"Response", int(Response), 1},
		{"OpAdd", int(OpAdd), 0},
		{"OpGet", int(OpGet), 1},
		{"OpRemove", int(OpRemove), 2},
		{"OpHave", int(OpHave), 3},
		{"NumOps", NumOps, 4},
		{"StatusOK", int(StatusOK), 0},
		{"StatusNotOK", int(StatusNotOK), 1},
		{"StatusDisconnected", int(StatusDisconnected), 2},
		{"StatusAddCorrupt", int(StatusAddCorrupt), 100},
		{"StatusAddExists", int(StatusAddExists), 101},
		{"StatusAddTimeout", int(StatusAddTimeout), 102},
		{"StatusAddIDLen", int(StatusAddIDLen), 103},
		{"StatusAddDataLen", int(StatusAddDataLen), 104},
		{"AddOverhead", AddOverhead, 8},
		{"MaxIDLen", MaxIDLen, 64},
		{"MaxDataLen", MaxDataLen, 32768},
		{"MaxTimeout in ms", int(MaxTimeout / time.Millisecond), 604_800_000},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, tt.got, tt.want)
		}
	}
}

// TestTablesByStatusAndField: each status and each field has a place of its own in tables, and a name.
func TestTablesByStatusAndField(t *testing.T) {
	seen := map[int]Status{}
	for _, s := range []Status{StatusOK, StatusNotOK, StatusDisconnected, StatusAddCorrupt, StatusAddExists, StatusAddTimeout,
		StatusAddIDLen, StatusAddDataLen} {
		if was, there := seen[s.Index()]; there {
			t.Errorf("%v and %v have the index %d", was, s, s.Index())
		}
		seen[s.Index()] = s
		if at, known := StatusAt(s.Index()); at != s || !known {
			t.Errorf("index %d: got %v %v, want %v", s.Index(), at, known, s)
		}
	}
	for _, s := range []Status{3, 99, 105, 255} {
		if s.Index() != NumStatuses-1 {
			t.Errorf("%v: got index %d, want the last", s, s.Index())
		}
		if _, known := StatusAt(s.Index()); known {
			t.Errorf("%v counts as known", s)
		}
	}
	for _, err := range []*CorruptError{errVersion, errNotRequest, errNotResponse, errClass, errOperation, errComplete, errDataLen,
		errShortFrame, errPayload, errUIDChanged, errOpChanged, errNotOneStatus} {
		if got := FieldAt(FieldIndex(err)); got != err.Field {
			t.Errorf("%v: got the field %q, want %q", err, got, err.Field)
		}
	}
	if got := FieldAt(FieldIndex(ErrShort)); got != "other" {
		t.Errorf("another error: got %q, want other", got)
	}
}

func TestOutcome(t *testing.T) {
	for _, row := range []struct {
		wire   []byte
		op     Op
		status Status
	}{
		{AppendStatus(nil, 1, OpGet, StatusNotOK), OpGet, StatusNotOK},
		{AppendStatus(nil, 1, OpAdd, StatusAddExists), OpAdd, StatusAddExists},
		{AppendMessage(nil, Response, 1, OpGet, []byte("a session")), OpGet, StatusOK},
		{AppendMessage(nil, Response, 1, OpGet, make([]byte, 5000)), OpGet, StatusOK},
		{AppendMessage(nil, Response, 1, OpHave, nil), OpHave, StatusOK},
	} {
		if op, status := Outcome(row.wire); op != row.op || status != row.status {
			t.Errorf("got %v %v, want %v %v", op, status, row.op, row.status)
		}
	}
}
