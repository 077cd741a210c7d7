package terminators

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// site is two hosts and the dc_server that they share.
type site struct {
	t      *testing.T
	server *kit.Process
	at     kit.Endpoint // of the server
	hosts  [2]*host
}

// host is one with a dc_client that has all the doors, and a terminator.
type host struct {
	t *testing.T

	// For the frames in testdata.
	Dir                      string
	At, Host, Port           string // where the terminator listens
	Cert, Key, CA            string // files
	BackendHost, BackendPort string // of a server that greets in HTTP
	SocacheDC                string // the module, if it is used
	Root                     bool
	Recipes                  []string

	socket, memcachedUNIX, metrics string // paths
	memcachedIP, sessiond          string // host:port
	terminator                     *kit.Process
	workers                        []int // its processes when it had begun
}

// newSite starts the daemons. flags are for the dc_clients.
func newSite(t *testing.T, flags ...string) *site {
	t.Helper()
	s := &site{t: t}
	ca := kit.NewCA(t, "CA")
	pair, backend := ca.Issue("www.example.net"), greet(t)
	s.server, s.at = kit.NewRig(t).Server()
	for i := range s.hosts {
		h := &host{t: t, Dir: kit.SocketDir(t), At: freePort(t), Root: os.Geteuid() == 0, memcachedIP: freePort(t), sessiond: freePort(t)}
		h.Host, h.Port = split(h.At)
		h.BackendHost, h.BackendPort = split(backend)
		h.Cert, h.Key, h.CA = filepath.Join(h.Dir, "cert.pem"), filepath.Join(h.Dir, "key.pem"), filepath.Join(h.Dir, "ca.pem")
		h.socket, h.memcachedUNIX = filepath.Join(h.Dir, "scache"), filepath.Join(h.Dir, "memcached")
		h.metrics = filepath.Join(h.Dir, "metrics")
		h.write(h.Cert, pair.Cert, 0o644)
		h.write(h.Key, pair.Key, 0o600)
		h.write(h.CA, ca.PEM, 0o644)
		if err := os.Chmod(h.Dir, 0o755); err != nil { // the terminators are other users
			t.Fatal(err)
		}
		kit.NewRig(t).Client(s.at, append([]string{"-listen", "UNIX:" + h.socket, "-memcached", "UNIX:" + h.memcachedUNIX, "-sockperms", "666",
			"-memcached", "IP:" + h.memcachedIP, "-sessiond", "IP:" + h.sessiond, "-metrics", "UNIX:" + h.metrics, "-retry", "100"}, flags...)...)
		s.hosts[i] = h
	}
	return s
}

// restart starts a new dc_server in place of the one that has ended.
func (s *site) restart() { s.server, _ = kit.NewRig(s.t).Server("-listen", s.at.String()) }

func (h *host) write(path string, content []byte, mode os.FileMode) {
	h.t.Helper()
	if err := os.WriteFile(path, content, mode); err != nil {
		h.t.Fatal(err)
	}
}

// start runs a terminator in the foreground, until the end of the test.
func (h *host) start(name string, env []string, args ...string) {
	h.t.Helper()
	path, err := program(name)
	if err != nil {
		h.t.Fatal(err)
	}
	p := kit.Command{Path: path, Args: args, Env: env, Dir: h.Dir, Sys: &syscall.SysProcAttr{Setpgid: true}}.Start(h.t)
	h.terminator = p
	h.t.Cleanup(func() {
		if p.Running() {
			p.Stop() // and it ends its children
		}
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL) // those that it left behind
		if h.t.Failed() {
			h.t.Logf("%s wrote to stdout:\n%s", name, last(p.Stdout()))
		}
	})
}

// mustLive fails the test when a terminator, or one of the processes that it had at first, has ended.
func (s *site) mustLive() {
	s.t.Helper()
	for _, h := range s.hosts {
		now := descendants(h.terminator.PID())
		gone := slices.ContainsFunc(h.workers, func(worker int) bool { return !slices.Contains(now, worker) })
		if gone || !h.terminator.Running() {
			s.t.Errorf("a process of the terminator at %s has ended: got %v, want %v", h.At, now, h.workers)
		}
	}
}

// descendants are the processes that one has started, and those that they have.
func descendants(pid int) []int {
	var all []int
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for word := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				all = append(append(all, child), descendants(child)...)
			}
		}
	}
	return all
}

// freePort is an address of the loopback network that no other test uses, with a port that is free.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", kit.Loopback().Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

func split(address string) (host, port string) {
	host, port, _ = net.SplitHostPort(address)
	return host, port
}

// last is the end of a long text.
func last(text string) string { return text[max(0, len(text)-8000):] }
