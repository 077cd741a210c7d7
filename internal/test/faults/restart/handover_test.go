package restart

import (
	"net"
	"os"
	"syscall"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// supervisor holds a listening socket and passes it to one daemon after the other, as
// systemd does for a socket unit.
type supervisor struct {
	t      *testing.T
	socket *os.File
	at     kit.Endpoint
	name   string
	args   []string
}

// supervise makes the socket.
func supervise(t *testing.T, at kit.Endpoint, name string, args ...string) *supervisor {
	t.Helper()
	l, err := net.Listen(at.Network, at.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := &supervisor{t: t, at: kit.Endpoint{Network: at.Network, Address: l.Addr().String()}, name: name, args: args}
	switch l := l.(type) {
	case *net.UnixListener:
		l.SetUnlinkOnClose(false)
		s.socket, err = l.File()
	case *net.TCPListener:
		s.socket, err = l.File()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.socket.Close() })
	return s
}

// run starts the daemon with the socket as FD:3.
func (s *supervisor) run() *kit.Process {
	args := append([]string{"-listen", "FD:3"}, s.args...)
	return kit.Command{Path: kit.Tool(s.name), Args: args, Files: []*os.File{s.socket}}.Start(s.t)
}

// activate starts the daemon as sd_listen_fds(3) says.
func (s *supervisor) activate() *kit.Process {
	script := `export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=dc.socket; exec "$0" "$@"`
	args := append([]string{"-c", script, kit.Tool(s.name), "-listen", "systemd"}, s.args...)
	return kit.Command{Path: "/bin/sh", Args: args, Files: []*os.File{s.socket}}.Start(s.t)
}

// TestV01NobodyIsRefusedWhileDcClientRestarts restarts dc_client 20 times under load. The
// listening socket is passed in, so clients that connect meanwhile wait in its backlog.
func TestV01NobodyIsRefusedWhileDcClientRestarts(t *testing.T) {
	const clients = 40
	restarts := atFull(20, 4)
	for _, row := range []struct {
		name  string
		at    func(t *testing.T) kit.Endpoint
		start func(s *supervisor) *kit.Process
	}{
		{"FD:n", func(t *testing.T) kit.Endpoint { return kit.Unix(t) }, (*supervisor).run},
		{"systemd", func(t *testing.T) kit.Endpoint { return kit.Unix(t) }, (*supervisor).activate},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, server := kit.NewRig(t).Server()
			s := supervise(t, row.at(t), "dc_client", "-server", server.String(), "-timeout", "10000")
			process := ready(row.start(s))
			crowd := startCrowd(s.at, clients)
			for range restarts {
				crowd.mustGoOn(t, clients)
				mustEnd(t, process)
				process = row.start(s)
			}
			crowd.mustGoOn(t, clients)
			crowd.mustEnd(t)
			if n := crowd.refused.Load(); n != 0 {
				t.Errorf("got %d connects refused in %d restarts, want none", n, restarts)
			}
		})
	}
}

// TestV01DcServerIsPassedItsSocket restarts a dc_server that is passed its TCP socket: its
// dc_client gets through to the next one without a connect refused.
func TestV01DcServerIsPassedItsSocket(t *testing.T) {
	t.Parallel()
	s := supervise(t, kit.Loopback(), "dc_server")
	process := ready(s.run())
	at := kit.Unix(t)
	client, _ := kit.NewRig(t).Client(s.at, "-listen", at.String(), "-retry", "50")
	for _, id := range []string{"first", "second", "third"} {
		mustKeep(t, at, id)
		mustEnd(t, process)
		process = ready(s.run())
		kit.Wait(t, patience, "dc_server", func() bool {
			answer, err := ask(at, kit.Have(1, id))
			return err == nil && answer == codec.StatusNotOK
		})
	}
	mustName(t, client.Stderr(), "lost dc_server", "connected to dc_server")
	mustNotName(t, client.Stderr(), "refused")
}

// TestV01BacklogIsServedByTheNext: clients that connect and ask while no dc_client runs
// are answered by the one that comes.
func TestV01BacklogIsServedByTheNext(t *testing.T) {
	t.Parallel()
	_, server := kit.NewRig(t).Server()
	s := supervise(t, kit.Unix(t), "dc_client", "-server", server.String(), "-timeout", "10000")
	first := ready(s.run())
	first.WaitStderr(patience, "connected to dc_server")
	mustKeep(t, s.at, "kept")
	mustEnd(t, first)
	var waiting []*kit.Client
	for n := range 200 {
		c := kit.Dial(t, s.at)
		c.SetPatience(patience)
		c.Send(kit.Have(uint32(n), "kept"))
		waiting = append(waiting, c)
	}
	ready(s.run())
	late := 0
	for n, c := range waiting {
		m, err := c.ReadMessage()
		if err != nil || m.UID != uint32(n) || m.Op != codec.OpHave {
			t.Fatalf("got %v of %#x, %v, want the answer to HAVE of %#x", m.Op, m.UID, err, n)
		}
		switch status, err := codec.ParseStatus(m); {
		case err == nil && status == codec.StatusDisconnected:
			late++ // its connection to dc_server took longer than it waits for that
		case err != nil || status != codec.StatusOK:
			t.Errorf("got %v, %v for %#x, want OK", status, err, n)
		}
	}
	if late > 0 {
		kit.TooSlow(t, "got %d of %d answers DISCONNECTED, want none", late, len(waiting))
	}
}

// TestV01WithoutHandOver restarts a dc_client that opens its own socket. Connections are refused
// only while no dc_client listens, and accepted clients are answered.
func TestV01WithoutHandOver(t *testing.T) {
	t.Parallel()
	restarts := atFull(10, 3)
	_, server := kit.NewRig(t).Server()
	at := kit.Unix(t)
	process, _ := kit.NewRig(t).Client(server, "-listen", at.String())
	crowd := startCrowd(at, 40)
	for range restarts {
		crowd.mustGoOn(t, 100)
		before := crowd.refused.Load()
		crowd.mustGoOn(t, 100)
		if now := crowd.refused.Load(); now != before {
			t.Errorf("got %d connects refused while dc_client runs, want none", now-before)
		}
		process.Signal(syscall.SIGTERM)
		process.Exit(patience)
		process, _ = kit.NewRig(t).Client(server, "-listen", at.String())
	}
	crowd.mustEnd(t)
	mustEnd(t, process)
}

// TestV01SilentConnectionsStayInTheBacklog ends a dc_client that has a long backlog of clients
// which have sent nothing yet. The next dc_client serves those that were not accepted. On a busy
// machine dc_client may accept all of them before it handles the signal; then the round does not
// count.
func TestV01SilentConnectionsStayInTheBacklog(t *testing.T) {
	t.Parallel()
	_, server := kit.NewRig(t).Server()
	for range 10 {
		if leaveBacklog(t, server, atFull(3000, 1000)) > 0 {
			return
		}
	}
	t.Error("got no client in the backlog served by the next dc_client in 10 tries, want most of them")
}

// leaveBacklog gives how many clients in the backlog of a dc_client that ended were served by
// the next one.
func leaveBacklog(t *testing.T, server kit.Endpoint, clients int) int {
	t.Helper()
	s := supervise(t, kit.Unix(t), "dc_client", "-server", server.String(), "-timeout", "10000")
	first := ready(s.run())
	first.Signal(syscall.SIGSTOP)
	var waiting []*kit.Client
	for range clients {
		waiting = append(waiting, kit.Dial(t, s.at))
	}
	first.Signal(syscall.SIGTERM)
	first.Signal(syscall.SIGCONT)
	if code := first.Exit(patience); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	ready(s.run())
	served := 0
	for n, c := range waiting {
		c.SetPatience(patience)
		if m, err := c.Do(kit.Have(uint32(n), "nobody's")); err == nil && m.UID == uint32(n) {
			served++
		}
	}
	for _, c := range waiting {
		c.Close()
	}
	t.Logf("%d of %d were served by the next dc_client", served, clients)
	return served
}
