package procfs

import (
	"errors"
	"testing"
	"time"
)

const statLine = "4242 (a) b (c) S 1 4242 4242 0 -1 4194560 169 0 0 0 123 45 6 7 20 0 1 0 885 2928640 440\n"

func TestParseStat(t *testing.T) {
	got, err := parseStat([]byte(statLine))
	want := Split{User: 1230 * time.Millisecond, System: 450 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
	for _, bad := range []string{"", "1 no command S 1", "1 (x) S 1 2 3", "1 (x) S 1 1 1 0 -1 0 0 0 0 0 u s 6 7"} {
		if _, err := parseStat([]byte(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: got %v, want %v", bad, err, ErrFormat)
		}
	}
}

func TestParseKiB(t *testing.T) {
	const status = "Name:\tprogram\nVmHWM:\t   9000 kB\nVmRSS:\t    8460 kB\nThreads:\t5\n"
	for name, want := range map[string]int64{"VmRSS:": 8460 << 10, "VmHWM:": 9000 << 10} {
		if got, err := parseKiB([]byte(status), name); err != nil || got != want {
			t.Errorf("%s got %d (%v), want %d", name, got, err, want)
		}
	}
	for bad, name := range map[string]string{status: "VmSwap:", "VmRSS: 1 MB\n": "VmRSS:", "VmRSS: x kB\n": "VmRSS:", "VmRSS:\n": "VmRSS:"} {
		if _, err := parseKiB([]byte(bad), name); !errors.Is(err, ErrFormat) {
			t.Errorf("%s in %q: got %v, want %v", name, bad, err, ErrFormat)
		}
	}
}

func TestParseBusy(t *testing.T) {
	got, err := parseBusy([]byte("cpu  100 20 300 4000 50 6 7 8 0 0\ncpu0 1 2 3\n"))
	want := Busy{Work: (100 + 20 + 300 + 6 + 7) * 10 * time.Millisecond, Steal: 80 * time.Millisecond}
	if err != nil || got != want {
		t.Errorf("got %v (%v), want %v", got, err, want)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu 1 2 3 4 5 6 7 x", "intr 1 2 3 4 5 6 7 8 9"} {
		if _, err := parseBusy([]byte(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: got %v, want %v", bad, err, ErrFormat)
		}
	}
}

func TestParseModel(t *testing.T) {
	for text, want := range map[string]string{
		"processor\t: 0\nmodel name\t: A CPU @ 3 GHz\nflags\t: a b\nprocessor\t: 1\nmodel name\t: other\n": "A CPU @ 3 GHz",
		"processor : 0\nFeatures : fp\n": "",
	} {
		if got := parseModel([]byte(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
