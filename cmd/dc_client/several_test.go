package main

import (
	"crypto/x509"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// several is a dc_client whose servers are in the file of -config.
type several struct {
	t       *testing.T
	ups     [3]*kit.Upstream
	file    string
	process *kit.Process
	at      kit.Endpoint
}

// startSeveral runs a dc_client whose list of servers has these, of three.
func startSeveral(t *testing.T, flags string, list ...int) *several {
	s := &several{t: t}
	for i := range s.ups {
		s.ups[i] = kit.NewUpstream(t, kit.Loopback())
	}
	s.file = kit.WriteFile(t, "dc_client.conf", []byte(s.config(flags, list)), 0o644)
	s.at = kit.Unix(t)
	s.process = kit.NewRig(t).Start(program, "-config", s.file, "-listen", s.at.String())
	return s
}

func (s *several) config(flags string, list []int) string {
	text := flags + "\ntimeout 10000\nretry 50\n"
	for _, i := range list {
		text += "server " + s.ups[i].Endpoint().String() + "\n"
	}
	return text
}

// reload changes the list, sends SIGHUP and waits for a line.
func (s *several) reload(flags, line string, list ...int) {
	s.t.Helper()
	if err := os.WriteFile(s.file, []byte(s.config(flags, list)), 0o644); err != nil {
		s.t.Fatal(err)
	}
	before := strings.Count(s.process.Stderr(), line)
	s.process.Signal(syscall.SIGHUP)
	s.process.Wait(patience, line, func() bool { return strings.Count(s.process.Stderr(), line) > before })
}

// mustConnect waits until the servers of the list are connected, and no others.
func (s *several) mustConnect(list ...int) {
	s.t.Helper()
	want := [3]int{}
	for _, i := range list {
		want[i] = 1
	}
	kit.Wait(s.t, patience, "the connections", func() bool {
		return [3]int{s.ups[0].Open(), s.ups[1].Open(), s.ups[2].Open()} == want
	})
	kit.Dial(s.t, s.at).AwaitStatus(kit.Have(1, "id"), codec.StatusNotOK) // the probe may have to be answered first
}

// TestHangupChangesTheList: servers are added, removed and put in another order by SIGHUP, without a restart and without a request
// that fails.
func TestHangupChangesTheList(t *testing.T) {
	t.Parallel()
	const changed = "SIGHUP: the list of -server has changed"
	s := startSeveral(t, "", 0, 1)
	s.mustConnect(0)
	load := kit.StartLoad(t, s.at, 5, 0)
	s.reload("", changed, 1, 0) // the order
	s.mustConnect(1)
	s.reload("", changed, 2, 1, 0) // one more, in front
	s.mustConnect(2)
	s.reload("", changed, 0, 1) // the one that serves is removed
	s.mustConnect(0)
	s.process.WaitStderr(patience, `reason="the previous server is no longer on the list" previous=`+s.ups[2].Endpoint().String())
	s.reload("", changed, 1) // all but one
	s.mustConnect(1)
	for _, o := range load.Stop() {
		if !o.Served {
			t.Fatal("got a request that failed, want none")
		}
	}
	if !strings.Contains(s.process.Stderr(), " changed=-server\n") || strings.Contains(s.process.Stderr(), "need a restart") {
		t.Errorf("got stderr %s, want -server among what has changed", s.process.Stderr())
	}
}

// TestHangupChangesTheListOfSpread: those that share the sessions.
func TestHangupChangesTheListOfSpread(t *testing.T) {
	t.Parallel()
	const changed = "SIGHUP: the list of -server has changed"
	s := startSeveral(t, "spread hash", 0, 1)
	s.mustConnect(0, 1)
	s.reload("spread hash", changed, 1, 2)
	s.mustConnect(1, 2)
	s.reload("spread hash", changed, 0, 1, 2)
	s.mustConnect(0, 1, 2)
}

// TestHangupNeedsARestart: what is chosen at the start, and one server, stay until then.
func TestHangupNeedsARestart(t *testing.T) {
	t.Parallel()
	s := startSeveral(t, "", 0)
	s.mustConnect(0)
	s.reload("", `changed flags need a restart flags=-server`+"\n", 1)
	s.mustConnect(0)
	s = startSeveral(t, "", 0, 1)
	s.mustConnect(0)
	s.reload("spread hash", `changed flags need a restart flags="-server, -spread"`+"\n", 1, 2)
	s.mustConnect(0)
	s.reload("", "is given twice", 0, 0)
	s.mustConnect(0)
}

// TestTLSOfSeveralServers: each must have the name of its own host, or all that of -tlsname.
func TestTLSOfSeveralServers(t *testing.T) {
	t.Parallel()
	ca := kit.NewCA(t, "test CA")
	of := func(name string, ip string) *secured {
		s := &secured{t: t, ca: ca}
		s.serve(ca.Issue(name, func(c *x509.Certificate) {
			if ip != "" {
				c.IPAddresses = []net.IP{net.ParseIP(ip)}
			}
		}), "127.0.0.1:0")
		return s
	}
	byAddress, byName := of("first", "127.0.0.1"), of("localhost", "")
	_, port, _ := net.SplitHostPort(byName.at.Address)
	list := []string{"-server", "TLS:localhost:" + port, "-server", "TLS:" + byAddress.at.Address}
	start := func(flags ...string) *kit.Process {
		flags = append(append(ca.Issue("host1").Flags(ca), append(list, flags...)...), "-timeout", "10000", "-listen", kit.Unix(t).String())
		return kit.NewRig(t).Start(program, flags...)
	}
	process := start("-spread", "hash")
	process.WaitStderr(patience, "connected to dc_server server=TLS:localhost:"+port)
	process.WaitStderr(patience, "connected to dc_server server=TLS:"+byAddress.at.Address)
	process = start("-tlsname", "first")
	process.WaitStderr(patience, `certificate \"localhost\" is not for the name \"first\"`)
	process.WaitStderr(patience, "now using this dc_server server=TLS:"+byAddress.at.Address)
}

// TestHangupChangesToTLS: a server that is given as TLS: in place of IP: is connected to anew.
func TestHangupChangesToTLS(t *testing.T) {
	t.Parallel()
	ca := kit.NewCA(t, "test CA")
	one, other := &secured{t: t, ca: ca}, &secured{t: t, ca: ca}
	one.serve(ca.Issue("cache"), "127.0.0.1:0")
	other.serve(ca.Issue("cache"), "127.0.0.1:0")
	text := "spread hash\ntlsname cache\nserver TLS:" + one.at.Address + "\nserver "
	file := kit.WriteFile(t, "dc_client.conf", []byte(text+"IP:"+other.at.Address+"\nserver IP:192.0.2.1:9001\n"), 0o644)
	process := kit.NewRig(t).Start(program, append(ca.Issue("host1").Flags(ca), "-config", file, "-listen", kit.Unix(t).String())...)
	process.WaitStderr(patience, "does that port speak TLS?")
	if err := os.WriteFile(file, []byte(text+"TLS:"+other.at.Address+"\nserver IP:192.0.2.2:9001\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "connected to dc_server server=TLS:"+other.at.Address)
	process.WaitStderr(patience, "-server IP:192.0.2.2:9001: the connection is neither encrypted nor authenticated")
}
