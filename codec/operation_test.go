package codec

import "testing"

func TestOp(t *testing.T) {
	tests := []struct {
		op    Op
		name  string
		valid bool
	}{
		{OpAdd, "ADD", true},
		{OpGet, "GET", true},
		{OpRemove, "REMOVE", true},
		{OpHave, "HAVE", true},
		{4, "Op(4)", false},
		{255, "Op(255)", false},
	}
	for _, tt := range tests {
		if got := tt.op.String(); got != tt.name {
			t.Errorf("got %q, want %q", got, tt.name)
		}
		if got := tt.op.Valid(); got != tt.valid {
			t.Errorf("%s: got valid %v, want %v", tt.name, got, tt.valid)
		}
	}
}
