package main

import (
	"strings"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestPing asks once, for what no session can be, and leaves nothing behind.
func TestPing(t *testing.T) {
	server, at := serve(t)
	code, stdout, stderr := tool("-ping", "-connect", at)
	if code != 0 || !strings.HasPrefix(stdout, at+" answers (") || stderr != "" {
		t.Errorf("got exit code %d, %q and %q, want 0, that it answers, and silence", code, stdout, stderr)
	}
	if got := server.Requests(); len(got) != 1 || !codec.IsProbe(got[0].Op, []byte(got[0].ID)) {
		t.Errorf("got %d requests, want one, and that a probe", len(got))
	}
}

// TestPingFails: whatever is no answer of a service that works is a line on stderr, and exit code 1.
func TestPingFails(t *testing.T) {
	tests := map[string]struct {
		fault kit.Fault
		want  string
	}{
		"without a dc_server":        {kit.Reply([]byte{byte(codec.StatusDisconnected)}), "dc_client answers, but it is not connected to dc_server"},
		"an old one without":         {kit.Reply(nil), "dc_client answers, but it is not connected to dc_server"},
		"no answer":                  {kit.Drop, "no answer in time"},
		"closed":                     {kit.CloseUnanswered, "no answer: the connection was closed"},
		"another uid":                {kit.WrongUID, "wrong answer: not a distcache service?"},
		"another operation":          {kit.WrongOp, "wrong answer: not a distcache service?"},
		"a status that HAVE has not": {kit.Reply([]byte{77}), "wrong answer: not a distcache service?"},
		"two bytes":                  {kit.Reply([]byte{0, 0}), "wrong answer: not a distcache service?"},
		"something else":             {kit.HTTP, "wrong answer: not a distcache service? (corrupt proto_level"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, at := serve(t)
			server.After(0).Do(test.fault)
			args := []string{"-ping", "-connect", at}
			if strings.HasSuffix(test.want, "in time") {
				args = append(args, "-wait", "100")
			}
			code, stdout, stderr := tool(args...)
			if want := "dc_test: " + at + ": " + test.want; code != 1 || stdout != "" || !strings.HasPrefix(stderr, want) {
				t.Errorf("got exit code %d, %q and %q, want 1, nothing and %q", code, stdout, stderr, want)
			}
		})
	}
}
