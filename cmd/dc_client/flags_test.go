package main

import (
	"strings"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// refused runs dc_client with flags that it must refuse with exit code 2 and one line.
func refused(t *testing.T, args ...string) string {
	t.Helper()
	process := kit.Start(t, kit.Tool(program), args...)
	if code := process.Exit(patience); code != 2 {
		t.Errorf("%q: got exit code %d, want 2", args, code)
	}
	text := process.Stderr()
	if !strings.HasPrefix(text, program+": ") || strings.Count(text, "\n") != 1 || process.Stdout() != "" {
		t.Errorf("%q: got %q and %q, want one line on stderr", args, text, process.Stdout())
	}
	return text
}

func TestNumbersRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ flag, value, limits string }{
		{"-retry", "0", "1 to 3600000"},
		{"-retry", "3600001", "1 to 3600000"},
		{"-retry", "-1", "1 to 3600000"},
		{"-retry", "5x", "1 to 3600000"},
		{"-retry", "+5", "1 to 3600000"},
		{"-retry", " 5", "1 to 3600000"},
		{"-retry", "", "1 to 3600000"},
		{"-retry", "1e3", "1 to 3600000"},
		{"-retry", "0x10", "1 to 3600000"},
		{"-retry", "1_000", "1 to 3600000"},
		{"-retry", "5s", "1 to 3600000"},
		{"-retry", "18446744073709551616", "1 to 3600000"},
		{"-idle", "3600001", "0 to 3600000"},
		{"-idle", "-1", "0 to 3600000"},
		{"-timeout", "3600001", "0 to 3600000"},
		{"-timeout", "1.5", "0 to 3600000"},
		{"-minexpiry", "604800001", "0 to 604800000"},
		{"-maxclients", "0", "1 to 1048576"},
		{"-loops", "0", "1 to 64"},
		{"-loops", "65", "1 to 64"},
		{"-maxclients", "1048577", "1 to 1048576"},
	} {
		t.Run(row.flag+" "+row.value, func(t *testing.T) {
			t.Parallel()
			for _, spelling := range [][]string{{row.flag, row.value}, {row.flag + "=" + row.value}, {"-" + row.flag + "=" + row.value}} {
				text := refused(t, append(spelling, "-server", "IP:127.0.0.1:9001")...)
				want := program + ": " + row.flag + ": \"" + row.value + "\" is not a whole number"
				if !strings.HasPrefix(text, want) || !strings.Contains(text, row.limits) {
					t.Errorf("got %q, want it to begin with %q and to name %s", text, want, row.limits)
				}
			}
		})
	}
}

func TestLimitsAccepted(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"-retry", "1"}, {"-retry", "3600000"}, {"-idle", "3600000"}, {"-timeout", "1"}, {"-timeout", "3600000"},
		{"-minexpiry", "604800000"}, {"-maxclients", "1"}, {"-maxclients", "1048576"}, {"--retry=007"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			process, at := start(t, nowhere(), args...)
			kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
			mustEnd(t, process)
		})
	}
}

func TestServerRefused(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args  []string
		words []string
	}{
		{nil, []string{"-server: ", "is required"}},
		{[]string{"-listen", "UNIX:/tmp/x"}, []string{"-server: ", "is required"}},
		{[]string{"-server"}, []string{"-server: ", "needs an argument"}},
		{[]string{"-server", ""}, []string{"-server: ", `""`, "empty"}},
		{[]string{"-server", "IP:"}, []string{"-server: ", `"IP:"`, "no port"}},
		{[]string{"-server", "IP:9001"}, []string{"-server: ", `"IP:9001"`, "no host"}},
		{[]string{"-server", "IP::9001"}, []string{"-server: ", `"IP::9001"`, "no host"}},
		{[]string{"-server", "IP:host:0"}, []string{"-server: ", `"IP:host:0"`, "port 0"}},
		{[]string{"-server", "IP:host:65536"}, []string{"-server: ", `"IP:host:65536"`, "65535"}},
		{[]string{"-server", "IP:host:"}, []string{"-server: ", `"IP:host:"`, "no port"}},
		{[]string{"-server", "IP:ho st:9001"}, []string{"-server: ", `"IP:ho st:9001"`, "host"}},
		{[]string{"-server", "IP:::1:9001"}, []string{"-server: ", `"IP:::1:9001"`, "brackets"}},
		{[]string{"-server", "UNIX:"}, []string{"-server: ", `"UNIX:"`, "path"}},
		{[]string{"-server", "FD:3"}, []string{"-server: ", `"FD:3"`, "not connected to"}},
		{[]string{"-server", "systemd"}, []string{"-server: ", `"systemd"`, "not connected to"}},
		{[]string{"-server", "host:9001"}, []string{"-server: ", `"host:9001"`, "UNIX:"}},
		{[]string{"-server", "UNIX:/" + strings.Repeat("x", 107)}, []string{"-server: ", "108", "107"}},
		{[]string{"-connect", "nonsense"}, []string{"-connect: ", `"nonsense"`}},
		{[]string{"-server", "IP:h:1", "-server", "IP:h:2"}, []string{"-server: ", "twice", "IP:h:2"}},
		{[]string{"-server", "IP:h:1", "-connect", "IP:h:2"}, []string{"-connect: ", "-server", "IP:h:2"}},
		{[]string{"-server", "UNIX:/tmp/x", "-listen", "UNIX:/tmp/x"}, []string{"-server: ", "UNIX:/tmp/x", "-listen"}},
		{[]string{"-server", "UNIX:rel", "-daemon"}, []string{"-server: ", "UNIX:rel", "-daemon"}},
		{[]string{"-server", "IP:h:1", "-sessions", "100"}, []string{"-sessions: ", "no such flag"}},
		{[]string{"-server", "IP:h:1", "-progress", "100"}, []string{"-progress: ", "no such flag"}},
	} {
		t.Run(strings.Join(row.args, " "), func(t *testing.T) {
			t.Parallel()
			text := refused(t, row.args...)
			for _, word := range row.words {
				if !strings.Contains(text, word) {
					t.Errorf("got %q, want it to name %q", text, word)
				}
			}
		})
	}
}

// TestServerSpellings: all of them reach the same dc_server.
func TestServerSpellings(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, port, _ := strings.Cut(up.Endpoint().Address, ":")
	for _, args := range [][]string{
		{"-server", "IP:127.0.0.1:" + port}, {"-connect", "IP:127.0.0.1:" + port}, {"--server=IP:127.0.0.1:" + port},
		{"-connect=IP:localhost:" + port}, {"--connect", "IPv4:localhost:" + port}, {"-server=IPv4:127.0.0.1:" + port},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			process := kit.Start(t, kit.Tool(program), append(args, "-listen", at.String(), "-timeout", "10000")...)
			process.WaitStderr(patience, "connected to dc_server")
			kit.Dial(t, at).ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
		})
	}
}

// TestServerIsOneself connects dc_client to itself under another name: it must not go
// round in circles, and its clients are answered.
func TestServerIsOneself(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	process := kit.Start(t, kit.Tool(program), "-listen", at.String(), "-server", "IPv4:"+at.Address, "-retry", "100")
	process.WaitStderr(patience, "no connection to dc_server")
	client := kit.Dial(t, at)
	for range 10 {
		client.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusDisconnected)
	}
	mustEnd(t, process)
}
