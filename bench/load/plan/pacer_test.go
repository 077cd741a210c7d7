package plan

import "testing"

func TestPacer(t *testing.T) {
	p := NewPacer(4, 3)
	p.Start, p.Limit = 1000, 5
	if got, want := p.due(3), int64(1000+750_000_000); got != want {
		t.Errorf("operation 3 at 4/s: got due at %d, want %d", got, want)
	}
	if got, want := p.Intended(2, 1), p.due(5); got != want {
		t.Errorf("second operation of the third of 3 clients: got %d, want that of operation 5, %d", got, want)
	}
	p.Issued = 5
	if got := p.Next(); got != Never {
		t.Errorf("got next at %d after the last, want never", got)
	}
}
