package main

import (
	"bytes"
	"io"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"distcache/codec"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair serves one end of a connection and returns the other.
func pair(t *testing.T) *os.File {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	go serve(fds[0])
	if err := unix.SetNonblock(fds[1], true); err != nil { // so that deadlines work
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "client")
	t.Cleanup(func() { _ = f.Close() })
	if err := f.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return f
}

func requests(n int) []byte {
	var b []byte
	for uid := range n {
		b = codec.AppendMessage(b, codec.Request, uint32(uid), codec.OpGet, make([]byte, 32))
	}
	return b
}

func answers(n int) []byte {
	var b []byte
	for uid := range n {
		b = codec.AppendStatus(b, uint32(uid), codec.OpGet, codec.StatusNotOK)
	}
	return b
}

func TestFramesCutAnywhere(t *testing.T) {
	const count = 3
	wire, want := requests(count), answers(count)
	for cut := range len(wire) {
		f := pair(t)
		for _, part := range [][]byte{wire[:cut], wire[cut:]} {
			if _, err := f.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		got := make([]byte, len(want))
		if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("cut at %d: got %x (%v), want %x", cut, got, err, want)
		}
		_ = f.Close()
	}
}

// More requests are written than any socket holds answers for, before the first answer is read.
func TestReadsOnWhileAnswersWait(t *testing.T) {
	const count = 200_000
	f := pair(t)
	if _, err := f.Write(requests(count)); err != nil {
		t.Fatal(err)
	}
	want := answers(count)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got other answers (%v), want %d in order", err, count)
	}
}

func TestLongMessageHasOneAnswer(t *testing.T) {
	f := pair(t)
	wire := codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, make([]byte, 5000))
	if _, err := f.Write(append(wire, requests(1)...)); err != nil {
		t.Fatal(err)
	}
	want := append(codec.AppendStatus(nil, 7, codec.OpAdd, codec.StatusNotOK), answers(1)...)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x (%v), want %x", got, err, want)
	}
}

func TestGarbageEndsTheConnection(t *testing.T) {
	f := pair(t)
	if _, err := f.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := f.Read(make([]byte, 10)); err == nil || os.IsTimeout(err) {
		t.Errorf("got %d bytes (%v), want the end", n, err)
	}
}
