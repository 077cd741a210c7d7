package terminators

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// hung is when a visit counts as one that hangs, on any machine: an answer that a terminator waits
// for comes after 200 ms at the latest, and most give up by themselves after 5 or 10 seconds.
const hung = 20 * time.Second

// visit is one connection.
type visit struct {
	began   time.Time
	took    time.Duration
	version string
	resumed bool
	err     error
}

// browse connects to the host with openssl, for Go's client offers no session IDs. It offers the session
// in the file if resume is set, and the file has the newest session then.
func (k *kind) browse(h *host, version, file string, resume bool) visit {
	ctx, cancel := context.WithTimeout(context.Background(), hung)
	defer cancel()
	args := []string{"s_client", "-connect", h.At, "-servername", "www.example.net", "-" + version, "-ign_eof", "-sess_out", file}
	if resume {
		args = append(args, "-sess_in", file)
	}
	cmd := exec.CommandContext(ctx, "openssl", append(args, k.options...)...)
	cmd.Stdin = strings.NewReader(k.says)
	v := visit{began: time.Now(), version: version}
	out, err := cmd.CombinedOutput()
	v.took = time.Since(v.began)
	v.resumed = bytes.Contains(out, []byte("\nReused, TLSv1"))
	switch {
	case ctx.Err() != nil:
		v.err = fmt.Errorf("%s hangs: no end of openssl within %v: %s", k.name, hung, last(string(out)))
	case !v.resumed && !bytes.Contains(out, []byte("\nNew, TLSv1")):
		v.err = fmt.Errorf("got no handshake with %s: %v: %s", k.name, err, last(string(out)))
	case !bytes.Contains(out, []byte(k.hears)):
		v.err = fmt.Errorf("got no %q from %s: %v: %s", k.hears, k.name, err, last(string(out)))
	}
	return v
}

// greet is a server without TLS that answers every request, and closes.
func greet(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	serve := func(conn net.Conn) {
		defer func() { _ = conn.Close() }()
		if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
			_, _ = io.WriteString(conn, "HTTP/1.0 200 OK\r\nContent-Length: 8\r\n\r\nwelcome\n")
		}
	}
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		running.Wait()
	})
	return listener.Addr().String()
}
