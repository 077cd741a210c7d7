package credentials

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestK05BadFiles are refused with the flag, the file and the reason, and without a byte of the key.
func TestK05BadFiles(t *testing.T) {
	ca, pair, good := site(t)
	other := kit.NewCA(t, "other CA")
	file := func(content []byte) string { return kit.WriteFile(t, "x.pem", content, 0o600) }
	block := func(kind, text string) []byte { return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: []byte(text)}) }
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	garbled := bytes.Clone(pair.Key)
	garbled[len("-----BEGIN PRIVATE KEY-----\n")+2] ^= 3
	rows := []struct {
		name   string
		change func(f *Flags)
		want   string // after -flag path:
	}{
		{"certificate missing", func(f *Flags) { f.Cert = "/nowhere/c.pem" }, "-tlscert /nowhere/c.pem: no such file or directory"},
		{"certificate is a directory", func(f *Flags) { f.Cert = "/tmp" }, "-tlscert /tmp: it is not a regular file"},
		{"certificate is a FIFO", func(f *Flags) { f.Cert = fifo }, "it is not a regular file"},
		{"certificate empty", func(f *Flags) { f.Cert = file(nil) }, "-tlscert {}: the file has no PEM certificate"},
		{"certificate is the key", func(f *Flags) { f.Cert = f.Key }, "-tlscert {}: the file has no PEM certificate"},
		{"certificate garbled", func(f *Flags) { f.Cert = file(block("CERTIFICATE", "x")) }, "-tlscert {}: certificate 1 cannot be parsed"},
		{"certificate too large", func(f *Flags) { f.Cert = file(make([]byte, maxFile+1)) }, "it is too large"},
		{"key missing", func(f *Flags) { f.Key = "/nowhere/k.pem" }, "-tlskey /nowhere/k.pem: no such file or directory"},
		{"key empty", func(f *Flags) { f.Key = file(nil) }, "-tlskey {}: the file has no PEM private key"},
		{"key is the certificate", func(f *Flags) { f.Key = file(pair.Cert) }, "-tlskey {}: the file has no PEM private key"},
		{"key garbled", func(f *Flags) { f.Key = file(garbled) }, "-tlskey {}: the key cannot be parsed"},
		{"key encrypted", func(f *Flags) { f.Key = file(block("ENCRYPTED PRIVATE KEY", "x")) }, "-tlskey {}: the key is encrypted"},
		{"key of another certificate", func(f *Flags) { f.Key = file(ca.Issue("other").Key) },
			"-tlskey {}: the key does not belong to the certificate of -tlscert"},
		{"key readable by all", func(f *Flags) { f.Key = kit.WriteFile(t, "k", pair.Key, 0o644) },
			"-tlskey {}: other users have access to the file: chmod 600 (its mode is 644)"},
		{"key readable by the group", func(f *Flags) { f.Key = kit.WriteFile(t, "k", pair.Key, 0o640) }, "(its mode is 640)"},
		{"CA missing", func(f *Flags) { f.CA = "/nowhere/ca.pem" }, "-tlsca /nowhere/ca.pem: no such file or directory"},
		{"CA empty", func(f *Flags) { f.CA = file([]byte("\n")) }, "-tlsca {}: the file has no PEM certificate"},
		{"CA garbled", func(f *Flags) { f.CA = file(append(bytes.Clone(ca.PEM), block("CERTIFICATE", "x")...)) },
			"-tlsca {}: certificate 2 cannot be parsed"},
		{"list missing", func(f *Flags) { f.CRL = "/nowhere/crl.pem" }, "-tlscrl /nowhere/crl.pem: no such file or directory"},
		{"list empty", func(f *Flags) { f.CRL = file(nil) }, "-tlscrl {}: the file has no PEM list"},
		{"list garbled", func(f *Flags) { f.CRL = file(block("X509 CRL", "x")) }, "-tlscrl {}: CRL 1 cannot be parsed"},
		{"list of another CA", func(f *Flags) { f.CRL = file(other.Revoke()) }, "is not signed by a CA of -tlsca"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			f := good
			row.change(&f)
			_, err := load(f)
			want := row.want
			for _, path := range []string{f.Cert, f.Key, f.CA, f.CRL} {
				if err != nil && path != "" && strings.Contains(err.Error(), path+":") {
					want = strings.ReplaceAll(row.want, "{}", path)
				}
			}
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got  %v\nwant %s", err, want)
			}
			mustHideKey(t, err.Error(), pair.Key)
		})
	}
}

// mustHideKey holds that a text has nothing of the key, in base 64 or raw.
func mustHideKey(t *testing.T, text string, key []byte) {
	t.Helper()
	block, _ := pem.Decode(key)
	secret := block.Bytes[len(block.Bytes)/3:]
	encoded := base64.StdEncoding.EncodeToString(block.Bytes)
	for i := 0; i+8 <= len(encoded); i += 4 {
		if strings.Contains(text, encoded[i:i+8]) {
			t.Errorf("got %q, want nothing of the key", text)
		}
	}
	if strings.Contains(text, string(secret[:8])) {
		t.Errorf("got %q, want nothing of the key", text)
	}
}

// TestUnreadableKey: the reason is that of the system.
func TestUnreadableKey(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root reads every file")
	}
	_, pair, f := site(t)
	f.Key = kit.WriteFile(t, "k", pair.Key, 0)
	if _, err := load(f); err == nil || !strings.HasSuffix(err.Error(), "permission denied") {
		t.Errorf("got %v, want permission denied", err)
	}
}

// TestKindsOfKeys that openssl writes are read.
func TestKindsOfKeys(t *testing.T) {
	_, pair, f := site(t)
	if warnings, err := load(f); err != nil || len(warnings) > 0 {
		t.Errorf("PKCS 8: got %v, %v, want nothing", warnings, err)
	}
	small := pair.TLS.PrivateKey.(*ecdsa.PrivateKey)
	der, err := x509.MarshalECPrivateKey(small)
	if err != nil {
		t.Fatal(err)
	}
	f.Key = kit.WriteFile(t, "k", append(pem.EncodeToMemory(&pem.Block{Type: "EC PARAMETERS"}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...), 0o600)
	if _, err := load(f); err != nil {
		t.Errorf("SEC 1, behind its parameters: got %v, want nil", err)
	}
	large, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(large)})
	f.Key = kit.WriteFile(t, "k", block, 0o600)
	if _, err := load(f); err == nil || !strings.Contains(err.Error(), "does not belong") {
		t.Errorf("PKCS 1: got %v, want that it was read and does not belong", err)
	}
}

// TestWarnings: what peers will refuse is told at the start.
func TestWarnings(t *testing.T) {
	ca := kit.NewCA(t, "test CA")
	for _, row := range []struct {
		name   string
		change func(c *x509.Certificate)
		want   string
	}{
		{"expired", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, "expired on "},
		{"not yet valid", func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) }, "is not valid before "},
		{"for clients", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
			"is not for servers (serverAuth): peers will refuse it"},
		{"for all uses", func(c *x509.Certificate) { c.ExtKeyUsage = nil }, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			warnings, err := load(flagsOf(t, ca, ca.Issue("cache", row.change)))
			if err != nil || (len(warnings) > 0) != (row.want != "") {
				t.Fatalf("got %v, %v, want a warning with %q", warnings, err, row.want)
			}
			if row.want != "" && !strings.Contains(warnings[0], `certificate "cache" `+row.want) {
				t.Errorf("got %q, want %q", warnings[0], row.want)
			}
		})
	}
}
