package terminators

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"distcache/internal/test/kit"
)

// sessiondGets matches how dc_client counts what became of stunnel's gets.
var sessiondGets = regexp.MustCompile(`(?m)^distcache_sessiond_gets_total\{result="([a-z-]+)"\} (\d+)`)

// gets are the gets of the host's stunnel so far, by what became of them.
func (h *host) gets() map[string]int {
	h.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.metrics)
	}}}
	answer, err := client.Get("http://dc_client/metrics")
	if err != nil {
		h.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	page, err := io.ReadAll(answer.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	counts := map[string]int{}
	for _, found := range sessiondGets.FindAllStringSubmatch(string(page), -1) {
		counts[found[1]], _ = strconv.Atoi(found[2])
	}
	return counts
}

// TestStunnelMisses: stunnel gives a session up that is not there within a tick or two of the kernel's clock, which a
// busy machine may not keep. dc_client's figures tell why a session was not resumed: the other host had not stored it
// yet (missing), dc_client had the answer after over 8 ms (too-late), or it answered before, and stunnel had given up
// already.
func TestStunnelMisses(t *testing.T) {
	k := kindOf(t, "stunnel")
	s := k.open(t, "-timeout", "5000")
	const times = 20
	resumed, visits := 0, times*len(k.versions)
	for n := range visits {
		version, session := k.versions[n/times], filepath.Join(t.TempDir(), "session")
		k.visit(t, s.hosts[n%2], version, session, false)
		if k.visit(t, s.hosts[1-n%2], version, session, true) {
			resumed++
		}
	}
	var got map[string]int
	kit.Wait(t, kit.Patience, "figures that count each visit's get", func() bool {
		got = map[string]int{}
		total := 0
		for _, h := range s.hosts {
			for result, n := range h.gets() {
				got[result] += n
				total += n
			}
		}
		return total == visits
	})
	why := fmt.Sprintf("%d of %d sessions resumed; not stored yet: %d, answer after 8 ms: %d, stunnel gave up before the answer: %d",
		resumed, visits, got["missing"], got["too-late"], got["found"]-resumed)
	t.Log(why)
	if missed := got["missing"] + got["too-late"] + got["found"] - resumed; missed != visits-resumed {
		t.Errorf("got %v and %d of %d sessions resumed, want the figures to say why the others were not", got, resumed, visits)
	}
	if resumed < visits {
		kit.TooSlow(t, "%s", why)
	}
}

// kindOf finds a kind by its name.
func kindOf(t *testing.T, name string) *kind {
	t.Helper()
	for _, k := range terminators {
		if k.name == name {
			return k
		}
	}
	t.Fatalf("got no %s, want it", name)
	return nil
}
