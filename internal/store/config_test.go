package store

import (
	"testing"
	"time"

	"distcache/codec"
)

// typical is the memory in bytes that a Memory with these limits takes when it is full of
// sessions that have, with their ids, sessionBytes bytes each.
func typical(c Config, sessionBytes int) int64 {
	classes := newClasses()
	cost := classes.of(recordHeader + sessionBytes).cost
	return c.index() + min(int64(c.MaxSessions)*cost, c.limit(classes))
}

// TestAFullStoreTakesWhatItsRecordsCost, and no more than the bound.
func TestAFullStoreTakesWhatItsRecordsCost(t *testing.T) {
	for _, test := range []struct {
		name              string
		config            Config
		dataLen, sessions int // that are added
	}{
		{"typical sessions", Config{MaxSessions: 20_000}, 180, 20_000},
		{"small ones", Config{MaxSessions: 20_000}, 1, 20_000},
		{"large ones", Config{MaxSessions: 1000}, codec.MaxDataLen, 1000},
		{"large ones in 20 MiB", Config{MaxSessions: 10_000, MaxBytes: 20 << 20}, 5000, 6000},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMemory(t, test.config)
			fill(t, m, test.sessions, test.dataLen, func(int) time.Duration { return time.Hour })
			want := typical(test.config, benchIDLen+test.dataLen)
			got := m.Stats().Memory
			if got < want*95/100 || got > want*105/100 {
				t.Errorf("memory: got %d, want %d, give or take 5 %%", got, want)
			}
			if bound := test.config.Bound(); got > bound {
				t.Errorf("memory: got %d, want at most the bound, %d", got, bound)
			}
		})
	}
}

func TestBoundGrowsWithTheLimits(t *testing.T) {
	large := Config{MaxSessions: 20_000} // which fit 32-bit addresses
	for _, test := range []struct {
		name        string
		config      Config
		least, most int64
	}{
		{"by sessions", large, 20_000 * codec.MaxDataLen, 20_000 * codec.MaxDataLen * 13 / 10},
		{"by bytes", Config{MaxSessions: 100_000, MaxBytes: 100 << 20}, 100 << 20, 160 << 20},
		{"by what can be addressed", Config{MaxSessions: 100_000_000}, maxArena, maxArena + 100_000_000*21},
		{"one session", Config{MaxSessions: 1}, codec.MaxDataLen, 1 << 20},
	} {
		if got := test.config.Bound(); got < test.least || got > test.most {
			t.Errorf("%s: got a bound of %d, want %d to %d", test.name, got, test.least, test.most)
		}
	}
}
