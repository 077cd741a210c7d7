package codec

import "testing"

func TestStatusString(t *testing.T) {
	tests := []struct {
		status Status
		want   string
	}{
		{StatusOK, "OK"},
		{StatusNotOK, "NOTOK"},
		{StatusDisconnected, "DISCONNECTED"},
		{StatusAddCorrupt, "CORRUPT"},
		{StatusAddExists, "EXISTS"},
		{StatusAddTimeout, "TIMEOUT_RANGE"},
		{StatusAddIDLen, "ID_LENGTH"},
		{StatusAddDataLen, "DATA_LENGTH"},
		{3, "Status(3)"},
		{255, "Status(255)"},
	}
	for _, tt := range tests {
		if got := tt.status.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
