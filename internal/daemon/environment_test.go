package daemon

import (
	"os"
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

// TestEnvironment: what gnet and the Go runtime read does no harm.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	for _, settings := range [][]string{
		{"GNET_LOGGING_LEVEL=x", "GOMAXPROCS=0", "GOGC=1", "LANG=x"},
		{"GNET_LOGGING_LEVEL=-1", "GOMAXPROCS=1", "GODEBUG=nosuch=1", "TZ=nowhere/at/all"},
		{"DISTCACHE_STARTER=1"}, {"LISTEN_FDS=1"},
	} {
		t.Run(strings.Join(settings, " "), func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				c := p.command("-listen", at.String())
				c.Env = settings
				process := p.run(t, c)
				p.mustServe(t, at)
				mustEnd(t, process)
				if process.Stdout() != "" {
					t.Errorf("got %q on stdout, want nothing", process.Stdout())
				}
			})
		})
	}
}

// TestLogFileOfGnet: gnet would create the file that the variable names.
func TestLogFileOfGnet(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		c := p.command("-listen", socketIn(directory).String())
		c.Env = []string{"GNET_LOGGING_FILE=" + directory + "/log"}
		process := p.run(t, c)
		mustEnd(t, process)
		mustBeGone(t, directory+"/log")
		mustName(t, process.Stderr(), "GNET_LOGGING_FILE", "no effect")
	})
}

// TestFewDescriptors starts a daemon with fewer descriptors than it would like.
func TestFewDescriptors(t *testing.T) {
	needRoot(t) // to become somebody who may not raise the limit
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		if err := os.Chmod(strings.TrimSuffix(at.Address, "/s"), 0o777); err != nil {
			t.Fatal(err)
		}
		c := inShell(p.command("-listen", at.String()), "ulimit -n 80")
		c.Sys = asNobody()
		process := p.run(t, c)
		mustName(t, process.Stderr(), "the limit of open descriptors is 80", "client limit lowered from ", " to 16:")
		var let []*kit.Client
		for range 16 {
			client := kit.Dial(t, at)
			client.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
			let = append(let, client)
		}
		late := kit.Dial(t, at)
		if p.name == "dc_client" { // all are idle
			late.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
			let[0].ExpectClosed()
			let = append(let[1:], late)
		} else {
			late.ExpectClosed()
		}
		for _, client := range let {
			client.ExpectStatus(kit.Have(2, "nobody's"), p.absent)
		}
	})
}

func TestTooFewDescriptors(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		c := inShell(p.command("-listen", kit.Unix(t).String()), "ulimit -n 40")
		c.Sys = asNobody()
		mustName(t, failure(t, c, 1), "the limit of open descriptors is 40", "ulimit -n")
	})
}
