package client

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"distcache/internal/test/kit"
)

const (
	// agentEnv is the address of the dc_client that the examples ask, and serverEnv that of
	// the dc_server behind it.
	agentEnv  = "DISTCACHE_AGENT"
	serverEnv = "DISTCACHE_SERVER"

	// patience is how long a test waits for what must come, on a busy machine.
	patience = 20 * time.Second
)

// TestMain runs the tests beside a real dc_client with a real dc_server behind it.
func TestMain(m *testing.M) {
	pair, err := startPair()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		pair.stop()
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		pair.stop()
		os.Exit(code)
	}))
}

// pair is the daemons that all tests share. kit's processes belong to a test each.
type pair struct {
	dir     string
	daemons []*exec.Cmd
}

func startPair() (*pair, error) {
	p := new(pair)
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		return p, err
	}
	p.dir = dir
	build := exec.Command("go", "build", "-o", dir+"/", "distcache/cmd/dc_client", "distcache/cmd/dc_server")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return p, fmt.Errorf("go build: %w\n%s", err, out)
	}
	server, agent := "UNIX:"+filepath.Join(dir, "server"), "UNIX:"+filepath.Join(dir, "agent")
	err = errors.Join(os.Setenv(serverEnv, server), os.Setenv(agentEnv, agent))
	if err == nil {
		err = p.start("dc_server", " ready ", "-listen", server)
	}
	if err == nil {
		err = p.start("dc_client", "connected to dc_server", "-listen", agent, "-server", server, "-timeout", "5000")
	}
	return p, err
}

// start runs a daemon and waits for that line of its log.
func (p *pair) start(name, line string, args ...string) error {
	logged, err := os.Create(filepath.Join(p.dir, name+".log"))
	if err != nil {
		return err
	}
	defer logged.Close()
	cmd := exec.Command(filepath.Join(p.dir, name), args...)
	cmd.Stderr = logged
	if err := cmd.Start(); err != nil {
		return err
	}
	p.daemons = append(p.daemons, cmd)
	var text []byte
	if !kit.Within(patience, func() bool {
		text, _ = os.ReadFile(logged.Name())
		return bytes.Contains(text, []byte(line))
	}) {
		return fmt.Errorf("%s: got no line with %q, want it; its log:\n%s", name, line, text)
	}
	return nil
}

func (p *pair) stop() {
	for _, cmd := range p.daemons {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	_ = os.RemoveAll(p.dir)
}

// open returns a client of what listens there, until the test ends.
func open(t *testing.T, at kit.Endpoint, opt Options) *Client {
	t.Helper()
	return openAt(t, at.String(), opt)
}

func openAt(t *testing.T, address string, opt Options) *Client {
	t.Helper()
	c, err := Open(address, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wantErr holds that err wraps want, and is nil for nil.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// wantConns holds how many connections the service has seen.
func wantConns(t *testing.T, up *kit.Upstream, want int) {
	t.Helper()
	kit.Wait(t, patience, fmt.Sprintf("%d connections", want), func() bool { return up.Conns() >= want })
	if got := up.Conns(); got != want {
		t.Errorf("got %d connections to the service, want %d", got, want)
	}
}

// wantOpen waits until that many connections to the service are open.
func wantOpen(t *testing.T, up *kit.Upstream, want int) {
	t.Helper()
	kit.Wait(t, patience, fmt.Sprintf("%d open connections", want), func() bool { return up.Open() == want })
}
