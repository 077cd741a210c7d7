package secure

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
)

// forger writes the records of a TLS client that crypto/tls never makes: it knows the client's secret. It is for
// connections on which the client has written nothing since the handshake.
type forger struct {
	t      testing.TB
	conn   net.Conn
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	number uint64
}

// The kinds of records and messages that it writes.
const (
	handshakeRecord   = 22
	applicationRecord = 23
	keyUpdate         = "\x18\x00\x00\x01\x01" // and update_requested
)

// forge makes a client whose records come from a forger, and a crypto/tls for what it reads.
func (s *site) forge() (*Session, *tls.Conn, *forger) {
	s.t.Helper()
	var log bytes.Buffer
	s.client.KeyLogWriter = &log
	session, client, conn := s.accept()
	f := &forger{t: s.t, conn: conn}
	for lines := bufio.NewScanner(&log); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); fields[0] == "CLIENT_TRAFFIC_SECRET_0" {
			f.secret, _ = hex.DecodeString(fields[2])
		}
	}
	if got := client.ConnectionState().CipherSuite; got != tls.TLS_AES_128_GCM_SHA256 || len(f.secret) != sha256.Size {
		s.t.Skipf("got the cipher suite %s, the forger knows AES_128_GCM alone", tls.CipherSuiteName(got))
	}
	f.keys()
	return session, client, f
}

// keys derives the keys of secret (RFC 8446, section 7.3).
func (f *forger) keys() {
	block, err := aes.NewCipher(f.expand("key", 16))
	if err == nil {
		f.aead, err = cipher.NewGCM(block)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	f.iv, f.number = f.expand("iv", 12), 0
}

// expand is HKDF-Expand-Label with no context.
func (f *forger) expand(label string, length int) []byte {
	label = "tls13 " + label
	info := append([]byte{0, byte(length), byte(len(label))}, label...)
	out, err := hkdf.Expand(sha256.New, f.secret, string(append(info, 0)), length)
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// record makes a record.
func (f *forger) record(kind byte, text string) []byte {
	nonce := bytes.Clone(f.iv)
	for i, b := range binary.BigEndian.AppendUint64(nil, f.number) {
		nonce[4+i] ^= b
	}
	f.number++
	plain := append([]byte(text), kind)
	header := []byte{applicationRecord, 3, 3, 0, 0}
	binary.BigEndian.PutUint16(header[3:], uint16(len(plain)+f.aead.Overhead()))
	return f.aead.Seal(header, nonce, plain, header)
}

// update makes a KeyUpdate that asks for one, and goes on with the next keys.
func (f *forger) update() []byte {
	b := f.record(handshakeRecord, keyUpdate)
	f.secret = f.expand("traffic upd", sha256.Size)
	f.keys()
	return b
}

// send writes ciphertext.
func (f *forger) send(b []byte) {
	f.t.Helper()
	if _, err := f.conn.Write(b); err != nil {
		f.t.Fatal(err)
	}
}
