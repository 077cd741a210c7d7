package main

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestMinExpiry raises lives that are shorter, that of 0 among them, and no others.
func TestMinExpiry(t *testing.T) {
	t.Parallel()
	const floor = 600 * time.Millisecond
	for _, row := range []struct {
		name        string
		args        []string
		asked, gets time.Duration
	}{
		{"shorter", []string{"-minexpiry", "600"}, 100 * time.Millisecond, floor},
		{"none", []string{"-minexpiry", "600"}, 0, floor},
		{"longer", []string{"-minexpiry", "600"}, 900 * time.Millisecond, 900 * time.Millisecond},
		{"without the flag", nil, 100 * time.Millisecond, 100 * time.Millisecond},
		{"off", []string{"-minexpiry=0"}, 100 * time.Millisecond, 100 * time.Millisecond},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, at := start(t, row.args...)
			client := kit.Dial(t, at)
			began := time.Now()
			client.ExpectStatus(kit.Add(1, "session", "data", row.asked), codec.StatusOK)
			mustLive(t, client, "session", began.Add(row.gets), time.Now().Add(row.gets))
		})
	}
}

// TestMinExpiryKeepsTheLimit: a life that is too long is still refused.
func TestMinExpiryKeepsTheLimit(t *testing.T) {
	t.Parallel()
	_, at := start(t, "-minexpiry", "604800000")
	client := kit.Dial(t, at)
	client.ExpectStatus(kit.Ask(1, codec.OpAdd, addPayload(604800001, 1, "id")), codec.StatusAddTimeout)
	client.ExpectStatus(kit.Ask(1, codec.OpAdd, addPayload(604800000, 1, "id")), codec.StatusOK)
}
