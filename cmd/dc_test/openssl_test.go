package main

import (
	"errors"
	"testing"
)

func TestReadClient(t *testing.T) {
	for name, test := range map[string]struct{ text, done, cipher, id string }{
		"new":     {"---\nNew, TLSv1.2, Cipher is AES\nSSL-Session:\n    Session-ID: 0E04\n    Session-ID-ctx: \n", "New", "AES", "0E04"},
		"reused":  {"Reused, TLSv1.2, Cipher is AES\n    Session-ID: 0E04\n", "Reused", "AES", "0E04"},
		"no ID":   {"New, TLSv1.2, Cipher is AES\n    Session-ID: \n    Session-ID-ctx: 77\n", "New", "AES", ""},
		"failed":  {"New, (NONE), Cipher is (NONE)\n    Session-ID: \n", "", "", ""},
		"nothing": {"", "", "", ""},
	} {
		if done, cipher, id := readClient(test.text); done != test.done || cipher != test.cipher || id != test.id {
			t.Errorf("%s: got %q, %q, %q, want %q, %q, %q", name, done, cipher, id, test.done, test.cipher, test.id)
		}
	}
}

func TestWhyFailed(t *testing.T) {
	ended := errors.New("exit status 1")
	for _, test := range []struct{ stderr, want string }{
		{"CONNECTED(3)\n40A7:error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error:../ssl/r.c:1602:\n", "openssl: tlsv1 alert internal error"},
		{"unable to load\n", "openssl s_client: exit status 1"},
		{"", "openssl s_client: exit status 1"},
	} {
		if got := whyFailed(ended, test.stderr).Error(); got != test.want {
			t.Errorf("%q: got %q, want %q", test.stderr, got, test.want)
		}
	}
}

// TestRecordClock finds the records of a handshake, however the bytes are cut.
func TestRecordClock(t *testing.T) {
	stream := []byte{22, 3, 1, 0, 3, 23, 23, 23, 20, 3, 3, 0, 1, 22, 22, 3, 3, 0, 0, 23, 3, 3, 0, 2, 22, 22, 21, 3, 3, 0, 2, 1, 0}
	for size := 1; size <= len(stream); size++ {
		var r recordClock
		last := 0
		for at := 0; at < len(stream); at += size {
			before := r.last
			piece := stream[at:min(at+size, len(stream))]
			if n, err := r.Write(piece); n != len(piece) || err != nil {
				t.Fatalf("got %d, %v, want all taken", n, err)
			}
			if r.last != before {
				last = at + len(piece)
			}
		}
		if r.first.IsZero() || r.last.Before(r.first) || last < 19 || last >= 19+size || r.rest != 0 || len(r.header) != 0 {
			t.Errorf("pieces of %d: got the last record of the handshake by byte %d, want its header, which ends at byte 19", size, last)
		}
	}
	var r recordClock
	if _, _ = r.Write([]byte("220 mail.example.net ESMTP\r\n")); !r.first.IsZero() {
		t.Error("got a handshake in plain text")
	}
}
