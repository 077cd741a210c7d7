package credentials

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"distcache/internal/daemon/options"
)

// maxFile is more than any of the files has, in bytes. A larger one is refused.
const maxFile = 4 << 20

// The reasons why a file is refused.
var (
	errNoCertificate = errors.New("the file has no PEM certificate")
	errNoKey         = errors.New("the file has no PEM private key")
	errEncrypted     = errors.New("the key is encrypted: write it without a passphrase, to a file that only its owner can read")
	errMismatch      = errors.New("the key does not belong to the certificate of -tlscert")
	errNoList        = errors.New("the file has no PEM list of revoked certificates (X509 CRL)")
)

// file is what a flag names.
type file struct {
	flag, path string
}

// fail names the file in an error.
func (f file) fail(err error) error { return fmt.Errorf("-%s %s: %w", f.flag, f.path, err) }

// read reads the file. Of a key, access by other users is refused.
func (f file) read(secret bool) ([]byte, error) {
	var checks []func(fs.FileInfo) error
	if secret {
		checks = append(checks, options.OwnerOnly)
	}
	content, err := options.ReadFile(f.path, maxFile, checks...)
	if err != nil {
		return nil, f.fail(err)
	}
	return content, nil
}

// certificates reads all certificates of the file. A file without any is an error.
func (f file) certificates() ([]*x509.Certificate, error) {
	rest, err := f.read(false)
	if err != nil {
		return nil, err
	}
	var all []*x509.Certificate
	for block := next(&rest); block != nil; block = next(&rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, f.fail(fmt.Errorf("certificate %d cannot be parsed: %w", len(all)+1, err))
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, f.fail(errNoCertificate)
	}
	return all, nil
}

// key reads the private key of the file. Its errors hold nothing of the content.
func (f file) key() (crypto.Signer, error) {
	rest, err := f.read(true)
	if err != nil {
		return nil, err
	}
	defer func(content []byte) { clear(content) }(rest)
	for block := next(&rest); block != nil; block = next(&rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, f.fail(errEncrypted)
		}
		if block.Type != "PRIVATE KEY" && !strings.HasSuffix(block.Type, " PRIVATE KEY") {
			continue
		}
		key, ok := parseKey(block.Bytes)
		if !ok {
			return nil, f.fail(errors.New("the key cannot be parsed, or is of an unknown kind"))
		}
		return key, nil
	}
	return nil, f.fail(errNoKey)
}

func parseKey(der []byte) (crypto.Signer, bool) {
	var key any
	var err error
	if key, err = x509.ParsePKCS8PrivateKey(der); err != nil {
		if key, err = x509.ParseECPrivateKey(der); err != nil {
			key, err = x509.ParsePKCS1PrivateKey(der)
		}
	}
	signer, ok := key.(crypto.Signer)
	return signer, err == nil && ok
}

// next cuts the next PEM block off rest; nil: there is none.
func next(rest *[]byte) (block *pem.Block) {
	block, *rest = pem.Decode(bytes.TrimSpace(*rest))
	return block
}

// pair joins a certificate with its intermediates and its key.
func pair(chain []*x509.Certificate, key crypto.Signer) (tls.Certificate, bool) {
	p := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, c := range chain {
		p.Certificate = append(p.Certificate, c.Raw)
	}
	public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return p, ok && public.Equal(chain[0].PublicKey)
}

// Pool reads the certificates of the CAs in the file that a flag names. Warnings tell of those that are not valid now.
func Pool(flag, path string) (pool *x509.CertPool, warnings []string, err error) {
	f := file{flag, path}
	all, err := f.certificates()
	if err != nil {
		return nil, nil, err
	}
	pool, warnings = f.pool(all)
	return pool, warnings, nil
}

// pool makes a pool of the certificates of the file.
func (f file) pool(cas []*x509.Certificate) (pool *x509.CertPool, warnings []string) {
	pool = x509.NewCertPool()
	for _, ca := range cas {
		pool.AddCert(ca)
		warnings = append(warnings, f.expiry(ca)...)
	}
	return pool, warnings
}
