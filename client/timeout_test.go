package client

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestTimeout: a service that does not answer costs the shorter of Options.Timeout and what
// the context says, and its connection.
func TestTimeout(t *testing.T) {
	const short, long = 60 * time.Millisecond, time.Hour
	mind := errors.New("changed my mind")
	tests := []struct {
		name string
		opt  time.Duration
		ctx  func(context.Context) (context.Context, context.CancelFunc)
		want error
		also error
	}{
		{"of the options", short, context.WithCancel, context.DeadlineExceeded, nil},
		{"of the options, longer context", short, withTimeout(long), context.DeadlineExceeded, nil},
		{"of the context", long, withTimeout(short), context.DeadlineExceeded, nil},
		{"cancelled", long, cancelAfter(short, nil), context.Canceled, nil},
		{"cancelled with a cause", long, cancelAfter(short, mind), context.Canceled, mind},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := kit.NewUpstream(t, kit.Unix(t))
			up.After(0).Do(kit.Drop)
			c := open(t, up.Endpoint(), Options{Persistent: true, Retry: true, Timeout: test.opt})
			began := time.Now()
			ctx, cancel := test.ctx(t.Context())
			defer cancel()
			_, err := c.Get(ctx, []byte("id"))
			wantBetween(t, time.Since(began), short, patience)
			wantErr(t, "Get", err, test.want)
			if test.also != nil && !errors.Is(err, test.also) {
				t.Errorf("got error %v, want it to wrap the cause: %v", err, test.also)
			}
			wantOpen(t, up, 0)
			if up.Asked() > 1 {
				t.Errorf("got %d requests, want no second one", up.Asked())
			}
		})
	}
}

func withTimeout(d time.Duration) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, d) }
}

func cancelAfter(d time.Duration, cause error) func(context.Context) (context.Context, context.CancelFunc) {
	return func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancelCause(ctx)
		time.AfterFunc(d, func() { cancel(cause) })
		return ctx, func() { cancel(nil) }
	}
}

func wantBetween(t *testing.T, got, lowest, highest time.Duration) {
	t.Helper()
	if got < lowest || got > highest {
		t.Errorf("got %v, want %v to %v", got, lowest, highest)
	}
}

func TestDefaultTimeout(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	up.OnConnect(kit.StopReading)
	c := open(t, up.Endpoint(), Options{})
	began := time.Now()
	err := ask(t, c, codec.OpGet)
	wantBetween(t, time.Since(began), DefaultTimeout, DefaultTimeout+patience)
	wantErr(t, "Get", err, context.DeadlineExceeded)
	if !strings.Contains(err.Error(), "no answer within 2s") {
		t.Errorf("got error %q, want it to say how long was waited", err)
	}
}

// TestDoneContext: nothing is sent for a context that is done.
func TestDoneContext(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := c.Get(ctx, []byte("id"))
	wantErr(t, "Get", err, context.Canceled)
	_, err = Dial(ctx, up.Endpoint().String(), Options{})
	wantErr(t, "Dial", err, context.Canceled)
	if up.Conns() != 0 {
		t.Errorf("got %d connections, want none", up.Conns())
	}
}

// TestLateAnswer: what comes for an operation that was given up is not the next one's.
func TestLateAnswer(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	up.Put("slow", "of the slow one", patience)
	up.Put("fast", "of the fast one", patience)
	asked, release := make(chan struct{}), make(chan struct{})
	up.On(func(r kit.Request) bool { return r.ID == "slow" }).Do(func(x *kit.Exchange) {
		asked <- struct{}{}
		<-release
		x.Write(x.Answer)
	})
	c := open(t, up.Endpoint(), Options{Persistent: true, Retry: true, Timeout: patience})
	for range 5 {
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-asked
			cancel()
		}()
		_, err := c.Get(ctx, []byte("slow"))
		wantErr(t, "the slow one", err, context.Canceled)
		release <- struct{}{}
		got, err := c.Get(t.Context(), []byte("fast"))
		if string(got) != "of the fast one" || err != nil {
			t.Fatalf("got %q, %v, want that of the fast one", got, err)
		}
	}
}

// crowd is a unix socket whose backlog is full.
type crowd struct {
	at      kit.Endpoint
	l       net.Listener
	waiting int // connections in the backlog
}

func newCrowd(t *testing.T) *crowd {
	t.Helper()
	w := &crowd{at: kit.Unix(t)}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: w.at.Address})
	}
	if err == nil {
		err = syscall.Listen(fd, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	if w.l, err = net.FileListener(file); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.l.Close() })
	w.fill(t)
	return w
}

func (w *crowd) fill(t *testing.T) {
	t.Helper()
	for {
		socket, err := net.Dial(w.at.Network, w.at.Address)
		if errors.Is(err, syscall.EAGAIN) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = socket.Close() })
		w.waiting++
	}
}

// serve takes all waiting connections out of the backlog, and answers NOTOK to later ones.
func (w *crowd) serve() error {
	for range w.waiting {
		socket, err := w.l.Accept()
		if err != nil {
			return err
		}
		defer socket.Close()
	}
	socket, err := w.l.Accept()
	if err != nil {
		return err
	}
	defer socket.Close()
	header := make([]byte, codec.HeaderSize)
	if _, err := io.ReadFull(socket, header); err != nil {
		return err
	}
	h, err := codec.ParseHeader(header, codec.Request)
	if err != nil {
		return err
	}
	_, err = socket.Write(codec.AppendStatus(nil, h.UID, h.Op, codec.StatusNotOK))
	return err
}

// TestFullBacklog: where the kernel says “try again”, it is tried again, and not for ever.
func TestFullBacklog(t *testing.T) {
	w := newCrowd(t)
	c := open(t, w.at, Options{Timeout: 50 * time.Millisecond})
	began := time.Now()
	wantErr(t, "Get", ask(t, c, codec.OpGet), context.DeadlineExceeded)
	wantBetween(t, time.Since(began), 50*time.Millisecond, patience)

	c = open(t, w.at, Options{Timeout: patience})
	served := make(chan error, 1)
	time.AfterFunc(20*time.Millisecond, func() { served <- w.serve() })
	wantErr(t, "Get", ask(t, c, codec.OpGet), ErrNotFound)
	_ = w.l.Close() // whatever came, serve ends
	wantErr(t, "the service", <-served, nil)
}

// lastMinute is a connection whose context is done just before the answer comes.
type lastMinute struct {
	net.Conn
	cancel  context.CancelFunc
	givenUp chan struct{}
	answer  []byte
}

func (l *lastMinute) Write(b []byte) (int, error) {
	h, err := codec.ParseHeader(b, codec.Request)
	l.answer = codec.AppendStatus(nil, h.UID, h.Op, codec.StatusOK)
	return len(b), err
}

func (l *lastMinute) Read(b []byte) (int, error) {
	l.cancel()
	<-l.givenUp
	return copy(b, l.answer), nil
}

func (l *lastMinute) SetDeadline(time.Time) error {
	close(l.givenUp)
	return nil
}

// TestAnswerAtTheLastMinute: it counts, and its connection, with a deadline that is over, is
// not kept.
func TestAnswerAtTheLastMinute(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	over := newConn(&lastMinute{cancel: cancel, givenUp: make(chan struct{})})
	answer, _, err := over.exchange(ctx, codec.OpHave, []byte("id"))
	if string(answer) != "\x00" || err != nil || !over.spoilt {
		t.Errorf("got %q, %v, spoilt: %v, want the answer, and the connection spoilt", answer, err, over.spoilt)
	}
}
