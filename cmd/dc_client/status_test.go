package main

import (
	"errors"
	"testing"

	"distcache/codec/address"
	"distcache/upstream"
)

// TestStatusTellsOfTheLink: what `systemctl status` shows.
func TestStatusTellsOfTheLink(t *testing.T) {
	server, err := address.ParseConnect("IP:cache:9001")
	if err != nil {
		t.Fatal(err)
	}
	none := func() string { return "" }
	l := &linkLog{server: server, address: none, peer: none}
	refused := errors.New("connection refused")
	for _, step := range []struct {
		from, to upstream.State
		why      error
		want     string
	}{
		{upstream.Down, upstream.Connecting, nil, "connecting to dc_server IP:cache:9001"},
		{upstream.Connecting, upstream.Down, refused, "no connection to dc_server IP:cache:9001 (connection refused)"},
		{upstream.Down, upstream.Connecting, nil, "no connection to dc_server IP:cache:9001 (connection refused)"},
		{upstream.Connecting, upstream.Probing, nil, "no connection to dc_server IP:cache:9001 (connection refused)"},
		{upstream.Probing, upstream.Up, nil, "connected to dc_server IP:cache:9001"},
	} {
		l.LinkChanged(step.from, step.to, step.why, 0)
		if got := l.status(); got != step.want {
			t.Errorf("%v to %v: got %q, want %q", step.from, step.to, got, step.want)
		}
	}
}
