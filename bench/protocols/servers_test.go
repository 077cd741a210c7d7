package protocols

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"distcache/bench/load"
	"distcache/bench/load/plan"
	"distcache/bench/process"
	"distcache/codec/address"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The real servers, asked everything, with every answer verified.
func TestRealServers(t *testing.T) {
	rows := []struct {
		program  string
		protocol func() plan.Protocol
		args     func(socket string) []string
	}{
		{"memcached", Memcached, func(s string) []string { return []string{"-s", s, "-t", "1", "-u", "root"} }},
		{"redis-server", Redis, func(s string) []string {
			return []string{"--port", "0", "--unixsocket", s, "--save", "", "--appendonly", "no"}
		}},
	}
	for _, row := range rows {
		for _, pipeline := range []int{1, 8} {
			t.Run(fmt.Sprintf("%s pipeline=%d", row.program, pipeline), func(t *testing.T) {
				socket := serve(t, row.program, row.args)
				drive(t, socket, row.protocol, pipeline)
			})
		}
	}
}

// serve starts the program in a directory of its own and returns its socket.
func serve(t *testing.T, program string, args func(socket string) []string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is not installed: make bench-deps", program)
	}
	directory, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(directory) })
	launcher := process.NewLauncher()
	t.Cleanup(launcher.Close)
	socket := filepath.Join(directory, "socket")
	p, err := launcher.Start(process.Command{Name: program, Path: path, Args: args(socket), Dir: directory})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		if c, err := net.Dial("unix", socket); err == nil {
			_ = c.Close()
			return socket
		}
		if p.Err() != nil || time.Now().After(deadline) {
			t.Fatalf("%s does not listen: %v", program, p.Err())
		}
	}
}

func drive(t *testing.T, socket string, protocol func() plan.Protocol, pipeline int) {
	t.Helper()
	c := plan.DefaultConfig()
	c.Address = address.Address{Kind: address.Unix, Path: socket}
	c.Protocol = protocol
	c.Clients, c.KeepAlive, c.Pipeline = 4, true, pipeline
	c.Operations = 5_000
	c.Sessions = 32
	c.Timeout, c.TimeVar = time.Hour, 0 // memcached counts in seconds
	c.Seed, c.Salt = uint64(time.Now().UnixNano()), 1
	t.Logf("seed %d", c.Seed)
	r, err := load.Run(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if r.Count() != c.Operations || r.Failed() != 0 {
		t.Errorf("got %d operations, %d without service, want %d and none", r.Count(), r.Failed(), c.Operations)
	}
	for _, o := range r.Operations {
		if o.Hits == 0 || o.Misses == 0 {
			t.Errorf("%v: got %d hits and %d misses, want both", o.Op, o.Hits, o.Misses)
		}
	}
}
