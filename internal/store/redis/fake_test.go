package redis

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"distcache/internal/test/kit"
)

// fake is a server that answers what the test wants. It stands where a Redis or a proxy would.
type fake struct {
	t       testing.TB
	address string
	answer  atomic.Pointer[func(words []string) string] // raw bytes; "": none; closing: the end of the connection
	mu      sync.Mutex
	open    map[net.Conn]struct{}
	seen    []string
}

// closing and what follows it: the bytes are sent, then the connection is closed.
const closing = "\x00close"

func newFake(t testing.TB, answer func(words []string) string) *fake {
	t.Helper()
	return fakeOn(t, loopback(t), answer)
}

// newSecureFake is a fake that speaks TLS, and what its client needs.
func newSecureFake(t testing.TB, answer func(words []string) string) (*fake, *tls.Config) {
	t.Helper()
	ca := kit.NewCA(t, "test CA")
	listener := tls.NewListener(loopback(t), &tls.Config{Certificates: []tls.Certificate{ca.Issue("redis").TLS}})
	return fakeOn(t, listener, answer), &tls.Config{RootCAs: ca.Pool()}
}

func loopback(t testing.TB) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func fakeOn(t testing.TB, listener net.Listener, answer func(words []string) string) *fake {
	t.Helper()
	f := &fake{t: t, address: listener.Addr().String(), open: map[net.Conn]struct{}{}}
	f.answers(answer)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			f.mu.Lock()
			f.open[c] = struct{}{}
			f.mu.Unlock()
			all.Go(func() { f.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		f.mu.Lock()
		for c := range f.open {
			_ = c.Close()
		}
		f.mu.Unlock()
		all.Wait()
	})
	return f
}

// answers changes what it answers.
func (f *fake) answers(answer func(words []string) string) { f.answer.Store(&answer) }

func (f *fake) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		f.mu.Lock()
		delete(f.open, c)
		f.mu.Unlock()
	}()
	r := bufio.NewReader(c)
	for {
		words, err := readCommand(r)
		if err != nil {
			return
		}
		f.mu.Lock()
		f.seen = append(f.seen, strings.Join(words, " "))
		f.mu.Unlock()
		text, closes := strings.CutSuffix((*f.answer.Load())(words), closing)
		if _, err := io.WriteString(c, text); err != nil || closes {
			return
		}
	}
}

func readCommand(r *bufio.Reader) (words []string, err error) {
	number := func(kind byte) (int, error) {
		line, err := r.ReadString('\n')
		if err != nil || line[0] != kind {
			return 0, errors.Join(err, errors.New("no command"))
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	n, err := number('*')
	for range n {
		size, err := number('$')
		if err != nil {
			return nil, err
		}
		word := make([]byte, size+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return nil, err
		}
		words = append(words, string(word[:size]))
	}
	return words, err
}

// honest answers as an empty Redis does that is in no cluster.
func honest(words []string) string {
	switch strings.ToUpper(words[0]) {
	case "HELLO":
		return "*0\r\n"
	case "CLUSTER":
		return "-ERR This instance has cluster support disabled\r\n"
	case "GET":
		return "$-1\r\n"
	case "DEL", "EXISTS":
		return ":0\r\n"
	}
	return "+OK\r\n"
}

// isRequest reports whether a command is that of a request or a probe, and not of a connection that begins.
func isRequest(words []string) bool {
	switch words[0] {
	case "GET", "SET", "DEL", "EXISTS":
		return true
	}
	return false
}

// liar is honest but for requests.
func liar(answer string) func(words []string) string {
	return func(words []string) string {
		if isRequest(words) {
			return answer
		}
		return honest(words)
	}
}
