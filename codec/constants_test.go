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
