package terminators

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// operationsOfRadius are those of one authentication: a look-up, and a look-up more before the session is stored.
const operationsOfRadius = 3

// supplicant is what eapol_test is told: EAP-TTLS.
const supplicant = `network={
	key_mgmt=IEEE8021X
	eap=TTLS
	identity="visitor"
	anonymous_identity="anonymous"
	password="secret"
	phase1="tls_disable_tlsv1_3=0"
	phase2="auth=PAP"
}
`

// openRadius starts two FreeRADIUS that speak TLS up to that version; the recipe's is 1.2.
func openRadius(t *testing.T, version string, flags ...string) *site {
	t.Helper()
	need(t, []string{"freeradius", "eapol_test"}, []string{"/usr/lib/freeradius/rlm_cache_memcached.so"})
	s := newSite(t, flags...)
	s.hosts[0].write(s.supplicant(), []byte(supplicant), 0o644)
	for _, h := range s.hosts {
		text := h.configuration("freeradius.conf", []string{"freeradius-cache_tls.conf", "freeradius-tls-cache.conf", "freeradius-eap.conf"})
		text = strings.Replace(text, `tls_max_version = "1.2"`, fmt.Sprintf("tls_max_version = %q", version), 1)
		h.write(filepath.Join(h.Dir, "radiusd.conf"), []byte(text), 0o644)
		h.start("freeradius", nil, "-f", "-l", "stdout", "-d", h.Dir)
	}
	for _, h := range s.hosts {
		h.terminator.Wait(kit.Patience, "line that it is ready", func() bool { return strings.Contains(h.terminator.Stdout(), "Ready to process requests") })
	}
	return s
}

func (s *site) supplicant() string { return filepath.Join(s.hosts[0].Dir, "eapol.conf") }

// authenticate has one eapol_test authenticate so many times, each time with the next host, and returns how many
// sessions were resumed.
func authenticate(s *site, times int) (resumed int, err error) {
	relay, err := newRelay(s)
	if err != nil {
		return 0, err
	}
	defer relay.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(times)*hung)
	defer cancel()
	host, port := split(relay.near.LocalAddr().String())
	out, err := exec.CommandContext(ctx, "eapol_test", "-c", s.supplicant(),
		"-a", host, "-p", port, "-s", "testing123", "-r", fmt.Sprint(times-1), "-t", fmt.Sprint(int(hung.Seconds()))).CombinedOutput()
	text := string(out)
	if err != nil || !strings.HasSuffix(strings.TrimSpace(text), "SUCCESS") {
		return 0, fmt.Errorf("got %v of eapol_test, want SUCCESS: %s", err, last(text))
	}
	return strings.Count(text, "resumed=1"), nil
}

// TestRadiusResumes: sessions of EAP-TTLS are resumed at the other of two FreeRADIUS, and back. In TLS 1.3 only the
// session of a full handshake is: what a resumption gives is resumed nowhere, so that every second handshake is full.
func TestRadiusResumes(t *testing.T) {
	for _, row := range []struct {
		version string
		want    int // of 20
	}{{"1.2", 20}, {"1.3", 10}} {
		t.Run("TLS "+row.version, func(t *testing.T) {
			s := openRadius(t, row.version, "-timeout", "5000")
			resumed, err := authenticate(s, 21)
			if err != nil || resumed != row.want {
				t.Fatalf("got %d sessions resumed and error %v, want %d", resumed, err, row.want)
			}
			s.mustLive()
		})
	}
}

// TestRadiusFaults: whatever becomes of dc_server, each authentication succeeds.
func TestRadiusFaults(t *testing.T) {
	s, jitter := openRadius(t, "1.2", "-timeout", "200"), kit.MeasureJitter(t)
	must := func(what string, times int, least, most int) time.Duration {
		t.Helper()
		began := time.Now()
		resumed, err := authenticate(s, times)
		took := time.Since(began)
		if err != nil || resumed < least || resumed > most {
			t.Fatalf("%s: got %d sessions resumed and error %v, want %d to %d", what, resumed, err, least, most)
		}
		t.Logf("%s: %d authentications in %v, %d resumed", what, times, took, resumed)
		return took
	}
	const times = 6
	usual := must("well", times, 0, times)
	s.server.Kill()
	must("dc_server stopped", times, 0, 0)
	s.restart()
	back := func() {
		t.Helper()
		kit.Wait(t, kit.Patience, "session that is resumed", func() bool {
			resumed, err := authenticate(s, 2)
			if err != nil {
				t.Fatal(err)
			}
			return resumed == 1
		})
	}
	back()
	s.server.Signal(syscall.SIGSTOP)
	took := must("dc_server hung", times, 0, 0)
	jitter.MustTake(t, "authentications while dc_server is hung", took, 0, usual+times*operationsOfRadius*(timeout+kit.Promptly))
	s.server.Signal(syscall.SIGCONT)
	back()
	done := make(chan error)
	go func() {
		_, err := authenticate(s, 2*times)
		done <- err
	}()
	for range 3 {
		s.server.Kill()
		s.restart()
	}
	if err := <-done; err != nil {
		t.Fatalf("dc_server restarted: %v", err)
	}
	back()
	s.mustLive()
}
