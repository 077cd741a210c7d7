package procfs

import (
	"os"
	"testing"
)

func TestResident(t *testing.T) {
	pid := child(t, "hold", "held")
	exact, err := Resident(pid)
	if err != nil {
		t.Fatal(err)
	}
	if exact < heldBytes || exact > 4*heldBytes {
		t.Errorf("Resident: got %d bytes, want %d and a program beside it (four times as much under the race detector)", exact, heldBytes)
	}
	m, err := MemoryOf(pid)
	if err != nil {
		t.Fatal(err)
	}
	if d := m.Resident - exact; d < -4<<20 || d > 4<<20 {
		t.Errorf("MemoryOf: got %d bytes, want about %d", m.Resident, exact)
	}
	if m.Peak < m.Resident {
		t.Errorf("Peak: got %d bytes, want at least the %d of now", m.Peak, m.Resident)
	}
}

func TestDescriptors(t *testing.T) {
	before, err := Descriptors(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	after, err := Descriptors(os.Getpid())
	if err != nil || after != before+1 {
		t.Errorf("after an open: got %d (%v), want %d", after, err, before+1)
	}
}
