package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"distcache/bench/load/plan"
)

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
