package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// openssl makes handshakes of TLS 1.2 that resume by session ID, which crypto/tls cannot: it runs openssl s_client, each
// time behind a relay of its own. The relay connects, and takes the times from the records that pass.
type openssl struct {
	sharing *sharing
	program string
	dir     string // for the files of sessions
}

// openssl finds the program. The error tells that it is missing.
func (s *sharing) openssl() (*openssl, error) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		return nil, errors.New("there is no openssl on the PATH")
	}
	dir, err := os.MkdirTemp("", "dc_test")
	if err != nil {
		return nil, err
	}
	return &openssl{sharing: s, program: program, dir: dir}, nil
}

func (o *openssl) close() { _ = os.RemoveAll(o.dir) }

func (o *openssl) name() string { return "TLS 1.2, session ID" }

// shake implements method.
func (o *openssl) shake(ctx context.Context, host string, offered session) (h handshake, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.sharing.wait)
	defer cancel()
	server, err := dialHost(ctx, host)
	if err != nil {
		return h, err
	}
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return h, err
	}
	defer listener.Close()
	passed := make(chan time.Duration, 1)
	go func() { passed <- passOn(listener, server) }()

	args, in, out := o.arguments(listener.Addr().String()), filepath.Join(o.dir, "in"), filepath.Join(o.dir, "out")
	if text, ok := offered.([]byte); ok {
		if err := os.WriteFile(in, text, 0o600); err != nil {
			return h, err
		}
		args = append(args, "-sess_in", in)
	}
	_ = os.Remove(out) // that of the handshake before
	var stdout, stderr bytes.Buffer
	client := exec.CommandContext(ctx, o.program, append(args, "-sess_out", out)...)
	client.Stdout, client.Stderr, client.WaitDelay = &stdout, &stderr, time.Second
	ended := client.Run()
	_, _ = listener.Close(), server.Close()
	took := <-passed
	if ctx.Err() != nil {
		return h, explainHandshake(ctx.Err())
	}
	done, cipher, id := readClient(stdout.String())
	if done == "" {
		return h, whyFailed(ended, stderr.String())
	}
	h = handshake{took: took, resumed: done == "Reused", cipher: cipher}
	if id == "" {
		h.about = host + " gave no session ID"
		return h, nil
	}
	if text, err := os.ReadFile(out); err == nil { // s_client writes new sessions alone
		h.session = text
	}
	return h, nil
}

func (o *openssl) arguments(at string) []string {
	args := []string{"s_client", "-connect", at, "-tls1_2", "-no_ticket"}
	if o.sharing.server == "" {
		return append(args, "-noservername")
	}
	return append(args, "-servername", o.sharing.server)
}

// readClient reads what s_client printed: "New" or "Reused", the cipher and the session ID. All are "" when it made no
// handshake.
func readClient(text string) (done, cipher, id string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if before, after, found := strings.Cut(line, ", Cipher is "); found && after != "(NONE)" {
			done, _, _ = strings.Cut(before, ",")
			cipher = after
		}
		if after, found := strings.CutPrefix(line, "Session-ID:"); found && id == "" {
			id = strings.TrimSpace(after)
		}
	}
	return done, cipher, id
}

// whyFailed takes the reason out of a line such as 40..:error:0A000102:SSL routines:fn:unsupported protocol:file.c:1:
func whyFailed(ended error, stderr string) error {
	for line := range strings.Lines(stderr) {
		if parts := strings.Split(line, ":"); len(parts) > 5 && parts[1] == "error" {
			return fmt.Errorf("openssl: %s", parts[5])
		}
	}
	if ended != nil {
		return fmt.Errorf("openssl s_client: %w", ended)
	}
	return errors.New("openssl s_client made no handshake")
}

// passOn takes one client, passes bytes between it and the server until either ends, and returns how long their handshake
// of TLS 1.2 took; 0 when there was none.
func passOn(listener net.Listener, server net.Conn) time.Duration {
	client, err := listener.Accept()
	if err != nil {
		return 0
	}
	var asked, answered recordClock
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.MultiWriter(&answered, client), server)
		_ = client.Close()
		close(done)
	}()
	_, _ = io.Copy(io.MultiWriter(&asked, server), client)
	_, _ = server.Close(), client.Close()
	<-done
	last := asked.last
	if answered.last.After(last) {
		last = answered.last
	}
	return last.Sub(asked.first)
}

// recordClock takes the times of the first and the last record of a handshake, in one direction. Whichever side finishes last,
// the handshake is over when that record has passed.
type recordClock struct {
	first, last time.Time
	header      []byte
	rest        int // of the record, in bytes
}

// The records of TLS.
const (
	recordHeader    = 5 // bytes
	recordHandshake = 22
)

// Write implements io.Writer. It never fails.
func (r *recordClock) Write(b []byte) (int, error) {
	all := len(b)
	for len(b) > 0 {
		n := min(r.rest, len(b))
		r.rest, b = r.rest-n, b[n:]
		if r.rest > 0 {
			break
		}
		n = min(recordHeader-len(r.header), len(b))
		r.header, b = append(r.header, b[:n]...), b[n:]
		if len(r.header) < recordHeader {
			break
		}
		if r.header[0] == recordHandshake {
			r.note(time.Now())
		}
		r.rest = int(r.header[3])<<8 | int(r.header[4])
		r.header = r.header[:0]
	}
	return all, nil
}

func (r *recordClock) note(now time.Time) {
	if r.first.IsZero() {
		r.first = now
	}
	r.last = now
}
