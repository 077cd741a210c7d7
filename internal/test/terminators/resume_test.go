package terminators

import (
	"path/filepath"
	"slices"
	"testing"

	"distcache/internal/test/kit"
)

// open starts two hosts of that kind, each with what it needs.
func (k *kind) open(t *testing.T, flags ...string) *site {
	t.Helper()
	need(t, k.programs, k.files)
	s := newSite(t, append(k.flags, flags...)...)
	if k.needRoot && !s.hosts[0].Root {
		t.Skip("not tested: it runs as root only")
	}
	for _, h := range s.hosts {
		k.start(k, h)
	}
	for _, h := range s.hosts {
		h.terminator.WaitListening(kit.Patience, kit.Endpoint{Network: "tcp", Address: h.At})
		session := filepath.Join(t.TempDir(), "session")
		h.terminator.Wait(kit.Patience, "handshake", func() bool { return k.browse(h, "tls1_2", session, false).err == nil })
		if !k.forks {
			h.workers = descendants(h.terminator.PID())
		}
	}
	return s
}

// visit is browse in the test's goroutine.
func (k *kind) visit(t *testing.T, h *host, version, file string, resume bool) bool {
	t.Helper()
	v := k.browse(h, version, file, resume)
	if v.err != nil {
		t.Fatal(v.err)
	}
	return v.resumed
}

// TestResumes: a session begun at one of two hosts is resumed at the other, and back at the first: 20 of
// 20, half of them begun at either.
func TestResumes(t *testing.T) {
	for _, k := range terminators {
		t.Run(k.name, func(t *testing.T) {
			s := k.open(t, "-timeout", "5000")
			for _, version := range k.versions {
				k.mustResume(t, s, version)
			}
			for _, version := range k.never {
				session := filepath.Join(t.TempDir(), "session")
				k.visit(t, s.hosts[0], version, session, false)
				if k.visit(t, s.hosts[1], version, session, true) {
					t.Errorf("%s: got a session resumed at the other host, want docs/TERMINATORS.md to say so", version)
				}
			}
			s.mustLive()
		})
	}
}

func (k *kind) mustResume(t *testing.T, s *site, version string) {
	t.Helper()
	const times = 20
	var missed []int
	for n := range times {
		session := filepath.Join(t.TempDir(), "session")
		first, other := s.hosts[n%2], s.hosts[1-n%2]
		if k.visit(t, first, version, session, false) {
			t.Fatalf("%s: got a session resumed that was not offered", version)
		}
		for i, h := range []*host{other, first} {
			if !k.visit(t, h, version, session, true) {
				missed = append(missed, n)
				t.Logf("%s, session %d: not resumed at visit %d", version, n, i+2)
				break
			}
		}
	}
	missed = slices.Compact(missed)
	t.Logf("%s: %d of %d sessions resumed at the other host and back", version, times-len(missed), times)
	if len(missed) == 0 {
		return
	}
	if k.hasty != "" && len(missed) <= times/2 {
		kit.TooSlow(t, "%s: got %d of %d sessions resumed, want all: %s", version, times-len(missed), times, k.hasty)
		return
	}
	t.Errorf("%s: got %d of %d sessions resumed, want all", version, times-len(missed), times)
}
