package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// needOpenssl skips a test where openssl 3 is not there.
func needOpenssl(t *testing.T) {
	t.Helper()
	if out, err := exec.Command("openssl", "version").Output(); err != nil || strings.HasPrefix(string(out), "OpenSSL 1") {
		t.Skipf("openssl 3 is not there: %q, %v", out, err)
	}
}

// shell runs commands in a directory.
func shell(t *testing.T, directory, commands string) {
	t.Helper()
	cmd := exec.Command("bash", "-eu", "-c", commands)
	cmd.Dir = directory
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// recipe is the commands in the sections of docs/TLS.md with these numbers, but for those that run on a host.
func recipe(t *testing.T, sections ...string) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/TLS.md")
	if err != nil {
		t.Fatal(err)
	}
	var commands strings.Builder
	wanted := false
	for line := range strings.Lines(string(text)) {
		if heading, found := strings.CutPrefix(line, "## "); found {
			number, _, _ := strings.Cut(heading, ".")
			wanted = strings.Contains(strings.Join(sections, " "), number)
		}
		command, indented := strings.CutPrefix(line, "    ")
		if host, _, _ := strings.Cut(command, " "); indented && wanted && !strings.HasSuffix(host, "#") {
			commands.WriteString(command)
		}
	}
	return commands.String()
}

// serve runs dc_server with the files of a directory.
func serve(t *testing.T, directory, server, host string) *secure {
	t.Helper()
	file := func(name string) string { return filepath.Join(directory, name) }
	process := kit.NewRig(t).Start(program, "-listen", "TLS:127.0.0.1:0", "-tlscert", file(server+".pem"), "-tlskey", file(server+".key"),
		"-tlsca", file("ca.pem"), "-tlscrl", file("crl.pem"))
	ca, err := os.ReadFile(file("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	s := &secure{t: t, process: process, at: process.Listens(), client: &tls.Config{RootCAs: pool, ServerName: server}}
	s.use(directory, host)
	return s
}

// use makes the client use a pair of a directory.
func (s *secure) use(directory, host string) {
	s.t.Helper()
	pair, err := tls.LoadX509KeyPair(filepath.Join(directory, host+".pem"), filepath.Join(directory, host+".key"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.as(kit.Pair{TLS: pair})
}

// TestRecipe follows docs/TLS.md: what its commands make is served, the host that they revoke is refused, and a certificate
// of the new CA is as good as one of the old CA while both are known.
func TestRecipe(t *testing.T) {
	t.Parallel()
	needOpenssl(t)
	directory := t.TempDir()
	shell(t, directory, recipe(t, "1", "2", "3", "5"))
	commands := recipe(t, "7")
	revoke := strings.Index(commands, "openssl ca ")
	list := strings.LastIndex(commands, "openssl ca ")
	shell(t, directory, commands[:revoke]+commands[list:])
	s := serve(t, directory, "cachehost", "host1")
	s.mustServe()
	s.use(directory, "host1-2")
	conn := s.mustServe()

	shell(t, directory, commands[revoke:])
	s.process.Signal(unix.SIGHUP)
	s.process.WaitStderr(patience, "TLS certificates read again")
	s.use(directory, "host1")
	s.mustRefuse(`certificate \"host1\" is revoked (-tlscrl)`)
	if status, err := ask(conn, kit.Have(2, "nobody's")); status != codec.StatusNotOK || err != nil {
		t.Errorf("got %v, %v over the connection of a good certificate, want NOTOK", status, err)
	}

	shell(t, directory, recipe(t, "6")+"cp both.pem ca.pem\n")
	shell(t, filepath.Join(directory, "new"), recipe(t, "3"))
	s.process.Signal(unix.SIGHUP)
	s.use(filepath.Join(directory, "new"), "host1")
	s.process.Wait(patience, "the new CA", func() bool {
		conn, err := s.dial()
		if err == nil {
			_, err = ask(conn, kit.Have(3, "nobody's"))
		}
		return err == nil
	})
}

// TestCertsDemo: what scripts/certs-demo.sh makes is served.
func TestCertsDemo(t *testing.T) {
	t.Parallel()
	needOpenssl(t)
	script, err := filepath.Abs("../../scripts/certs-demo.sh")
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	shell(t, directory, script+" . localhost first second")
	shell(t, directory, script+" . localhost first second") // all anew
	for _, host := range []string{"first", "second"} {
		serve(t, directory, "localhost", host).mustServe()
	}
}
