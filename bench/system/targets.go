package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"distcache/bench/load/plan"
	"distcache/bench/process"
	"distcache/bench/protocols"
)

// target is something that is measured.
type target struct {
	name     string
	about    string
	programs []string // that must be installed
	protocol func() plan.Protocol
	start    func(*stage) error // starts the processes, the measured one last
}

// The names of the targets, as reports have them.
const (
	nameFloor     = "floor"
	nameStub      = "dc_client"
	namePair      = "dc_client+dc_server"
	nameDoor      = "dc_client -memcached+dc_server"
	nameSecure    = "dc_client+dc_server TLS"
	nameStored    = "dc_client+dc_server+redis"
	nameTwemproxy = "twemproxy+memcached"
	nameGoroutine = "goroutine"
	nameGnetRun   = "gnet.Run"
	nameServer    = "dc_server"
	nameMemcached = "memcached"
	nameRedis     = "redis"
)

// builds are where the programs of the project are.
type builds struct {
	directory   string   // floor, stub, goroutine, gnetrun
	suffix      string   // of the targets' names
	ours        string   // dc_client and dc_server
	clientFlags []string // more for dc_client
	serverFlags []string // more for dc_server
	link        link     // between the two
}

// proxies are the targets that clients ask in great number.
func proxies(b builds) []*target {
	return []*target{
		b.floor(),
		b.stubbed(),
		b.pair(),
		b.secure(),
		twemproxy(),
		b.goroutine(),
		b.gnetRun(),
	}
}

func (b builds) floor() *target {
	return &target{
		name: nameFloor, about: "bare epoll answerer: what the kernel costs", protocol: plan.Distcache,
		start: func(s *stage) error { return s.startGo("floor", b.directory, s.path(front)) },
	}
}

func (b builds) stubbed() *target {
	return &target{
		name: nameStub + b.suffix, about: "dc_client; its upstream is a stub, the fastest server there can be",
		protocol: plan.Distcache,
		start: func(s *stage) error {
			if err := b.startUpstream(s); err != nil {
				return err
			}
			return b.startClient(s, "UNIX:"+s.path("upstream"))
		},
	}
}

func (b builds) pair() *target {
	return b.linked(namePair, "dc_client; its upstream is dc_server", b.link)
}

func (b builds) secure() *target {
	return b.linked(nameSecure, "dc_client; its upstream is dc_server, over TLS on 127.0.0.1", overTLS)
}

func (b builds) goroutine() *target {
	return b.peer(nameGoroutine, "goroutine",
		"a plain net-package proxy, a goroutine for each connection; its upstream is the stub")
}

func (b builds) gnetRun() *target {
	return b.peer(nameGnetRun, "gnetrun", "a proxy on gnet's EventHandler; its upstream is the stub")
}

func (b builds) peer(name, program, about string) *target {
	return &target{
		name: name, about: about, protocol: plan.Distcache,
		start: func(s *stage) error {
			if err := b.startUpstream(s); err != nil {
				return err
			}
			return s.startGo(program, b.directory, s.path(front), s.path("upstream"))
		},
	}
}

func (b builds) startUpstream(s *stage) error {
	return s.startGo("stub", b.directory, s.path("upstream"))
}

func (b builds) startClient(s *stage, server string) error {
	args := append([]string{"-listen", "UNIX:" + s.path(front), "-server", server}, b.clientFlags...)
	return s.startGo("dc_client", b.ours, args...)
}

func (b builds) startServer(s *stage, listen string, sessions int) error {
	args := append([]string{"-listen", listen, "-sessions", strconv.Itoa(sessions)}, b.serverFlags...)
	return s.startGo("dc_server", b.ours, args...)
}

func twemproxy() *target {
	return &target{
		name: nameTwemproxy, about: "Debian's nutcracker, one connection to memcached (one thread), over unix sockets",
		programs: []string{"nutcracker", "memcached"}, protocol: protocols.Memcached,
		start: func(s *stage) error {
			if err := startMemcached(s, "server", defaultSessions); err != nil {
				return err
			}
			if err := s.listening(s.path("server")); err != nil {
				return err
			}
			return startNutcracker(s)
		},
	}
}

// startNutcracker asks for a free port because nutcracker insists on one for its statistics, which are not read.
func startNutcracker(s *stage) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("bench:\n  listen: %s 0600\n  backlog: 4096\n  hash: fnv1a_64\n  distribution: modula\n"+
		"  server_connections: 1\n  servers:\n  - %s:1 memcached\n", s.path(front), s.path("server"))
	if err := os.WriteFile(s.path("nutcracker.yml"), []byte(text), 0o600); err != nil {
		return err
	}
	return s.startInstalled("nutcracker", "-c", s.path("nutcracker.yml"),
		"-o", s.path("nutcracker.log"), "-p", s.path("nutcracker.pid"),
		"-a", "127.0.0.1", "-s", port, "-i", "3600000")
}

// startMemcached gives memcached more memory than the sessions need.
func startMemcached(s *stage, socket string, sessions int) error {
	args := []string{"-s", s.path(socket), "-t", "1", "-m", strconv.Itoa(256 + sessions/1024), "-c", "16000", "-b", "4096"}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "root") // it refuses to run as root unless told to
	}
	return s.startInstalled("memcached", args...)
}

// startInstalled starts a program of the system.
func (s *stage) startInstalled(name string, args ...string) error {
	path, err := installed(name)
	if err != nil {
		return err
	}
	return s.start(process.Command{Name: name, Path: path, Args: args})
}

// installed finds a program of the system, in /usr/sbin too, which users seldom have in their PATH.
func installed(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	return path, err
}

// missing names the programs of the target that are not installed.
func (t *target) missing() []string {
	var names []string
	for _, name := range t.programs {
		if _, err := installed(name); err != nil {
			names = append(names, name)
		}
	}
	return names
}

// commands returns the stage's command lines, with the directory of its sockets as $DIR.
func (s *stage) commands() [][]string {
	var all [][]string
	for _, p := range s.processes {
		line := []string{p.Command.Name}
		for _, a := range p.Command.Args {
			line = append(line, strings.ReplaceAll(a, s.directory, "$DIR"))
		}
		all = append(all, line)
	}
	return all
}

// link is what connects dc_client and dc_server.
type link int

const (
	overUnix link = iota
	overTCP       // on 127.0.0.1
	overTLS       // the same, with certificates on both sides
)

// linked is dc_client in front of dc_server.
func (b builds) linked(name, about string, l link) *target {
	t := &target{
		name: name + b.suffix, about: about, protocol: plan.Distcache,
		start: func(s *stage) error {
			at, server, client, err := l.prepare(s)
			if err != nil {
				return err
			}
			b := b
			b.serverFlags, b.clientFlags = slices.Concat(server, b.serverFlags), slices.Concat(client, b.clientFlags)
			if err := b.startServer(s, at, defaultSessions); err != nil {
				return err
			}
			return b.startClient(s, at)
		},
	}
	if l == overTLS {
		t.programs = []string{"openssl"}
	}
	return t
}

// prepare gives the address at which dc_server listens, and the flags that both sides need for it.
func (l link) prepare(s *stage) (at string, server, client []string, err error) {
	if l == overUnix {
		return "UNIX:" + s.path("server"), nil, nil, nil
	}
	port, err := freePort()
	if err != nil || l == overTCP {
		return "IP:127.0.0.1:" + port, nil, nil, err
	}
	directory, err := s.harness.certificates()
	flags := func(name string) []string {
		file := func(name string) string { return filepath.Join(directory, name) }
		return []string{"-tlscert", file(name + ".pem"), "-tlskey", file(name + ".key"), "-tlsca", file("ca.pem")}
	}
	return "TLS:127.0.0.1:" + port, flags("localhost"), flags("host1"), err
}

// certificates makes a CA and pairs in a directory, once in a run.
func (h *harness) certificates() (directory string, err error) {
	directory = filepath.Join(h.directory, "certs")
	if _, err := os.Stat(directory); err == nil {
		return directory, nil
	}
	script := filepath.Join(h.root, "scripts", "certs-demo.sh")
	if out, err := exec.CommandContext(context.Background(), script, directory).CombinedOutput(); err != nil {
		_ = os.RemoveAll(directory)
		return "", fmt.Errorf("%s: %w: %s", script, err, out)
	}
	return directory, nil
}
