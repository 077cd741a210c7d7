package secure

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"distcache/engine/buffer"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestU21RecordsAreNotFrames: records of one byte, empty ones, and ciphertext that comes byte by byte.
func TestU21RecordsAreNotFrames(t *testing.T) {
	session, _, f := newSite(t).forge()
	const text = "a request that comes in records of one byte"
	var all []byte
	for i := range len(text) {
		all = append(all, f.record(applicationRecord, text[i:i+1])...)
		if i%8 == 0 {
			all = append(all, f.record(applicationRecord, "")...)
		}
	}
	f.send(all)
	expect(t, session, []byte(text))

	var got []byte
	for _, b := range f.record(applicationRecord, text) {
		f.send([]byte{b})
		kit.Wait(t, patience, "byte", func() bool { return readable(session.fd) })
		more, err := read(session)
		if err != unix.EAGAIN {
			t.Fatalf("within a record: got %v, want EAGAIN", err)
		}
		got = append(got, more...)
	}
	if string(got) != text {
		t.Errorf("byte by byte: got %q, want %q", got, text)
	}
}

// TestTrap07KeyUpdate: the answer to a key update is written by Read.
func TestTrap07KeyUpdate(t *testing.T) {
	session, client, f := newSite(t).forge()
	for n := range 20 {
		before := fmt.Sprint("before ", n)
		f.send(append(f.record(applicationRecord, before), f.update()...))
		expect(t, session, []byte(before))
		f.send(f.record(applicationRecord, "after"))
		expect(t, session, []byte("after"))
		mustWrite(t, session, []byte("with the next keys"))
		got := make([]byte, 18)
		if _, err := io.ReadFull(client, got); err != nil || string(got) != "with the next keys" {
			t.Fatalf("update %d: got %q, %v", n, got, err)
		}
	}
}

// TestTrap07KeyUpdatePending: where the socket is full, the answer to a key update waits for Flush.
func TestTrap07KeyUpdatePending(t *testing.T) {
	session, client, f := newSite(t).forge()
	written := 0
	for session.Pending() == 0 {
		n, err := session.Write(pattern(maxPlain))
		if err != nil {
			t.Fatal(err)
		}
		written += n
	}
	before := session.Pending()
	f.send(f.update())
	kit.Wait(t, patience, "key update", func() bool { return readable(session.fd) })
	if got, err := read(session); len(got) > 0 || err != unix.EAGAIN || session.Pending() <= before {
		t.Fatalf("got %q, %v, %d bytes pending, want EAGAIN and more than %d", got, err, session.Pending(), before)
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, client, int64(written+4))
		done <- err
	}()
	flushed := func() bool { return session.Flush() == nil }
	kit.Wait(t, patience, "flush", flushed)
	mustWrite(t, session, []byte("next"))
	kit.Wait(t, patience, "flush", flushed)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestU21KeyUpdateStorm: a client that sends key updates and never reads is bounded, and costs no other.
func TestU21KeyUpdateStorm(t *testing.T) {
	session, _, f := newSite(t).forge()
	for session.Pending() == 0 {
		if _, err := session.Write(pattern(maxPlain)); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	for n := 0; ; n++ {
		f.send(append(f.record(applicationRecord, "x"), f.update()...))
		if _, err = read(session); err != unix.EAGAIN {
			break
		}
		if session.Pending() > buffer.Largest || n > 10_000 {
			t.Fatalf("got %d bytes pending after %d updates, want an error before", session.Pending(), n)
		}
	}
	if err != buffer.ErrFull {
		t.Errorf("got %v, want ErrFull", err)
	}
	session.Close()
	if lent := session.shared.pool.Lent(); lent != 0 {
		t.Errorf("got %d bytes lent, want 0", lent)
	}
}

// TestU21UselessRecords: without data between them, records that do nothing end the connection.
func TestU21UselessRecords(t *testing.T) {
	for name, useless := range map[string]func(f *forger) []byte{
		"key updates":   (*forger).update,
		"empty records": func(f *forger) []byte { return f.record(applicationRecord, "") },
	} {
		t.Run(name, func(t *testing.T) {
			session, _, f := newSite(t).forge()
			var all []byte
			for range 100 {
				all = append(all, useless(f)...)
			}
			f.send(all)
			kit.Wait(t, patience, "records", func() bool { return readable(session.fd) })
			if _, err := read(session); err == nil || err == unix.EAGAIN || !strings.Contains(err.Error(), "too many") {
				t.Errorf("got %v, want that they are too many", err)
			}
		})
	}
}
