package credentials

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"distcache/engine/secure"
)

// Credentials is the certificates in force. Any goroutine may call its methods.
type Credentials struct {
	host    string
	mu      sync.Mutex                 // of flags, and held by Load
	flags   Flags                      // as given
	current atomic.Pointer[tls.Config] // nil before Load
	named   atomic.Bool                // by -tlsname
}

// New makes Credentials of valid flags. host is that of the address that a client connects to.
func New(flags Flags, host string) *Credentials {
	return &Credentials{host: host, flags: flags}
}

// Config is the configuration of the next handshake. Load must have succeeded once.
func (c *Credentials) Config() *tls.Config { return c.current.Load() }

// ConfigFor is Config for the server at another host than that of New: its certificate must have that name, unless
// -tlsname gives one for all servers.
func (c *Credentials) ConfigFor(host string) *tls.Config {
	config := c.Config()
	if name := nameOf(host); !c.named.Load() && config.ServerName != name {
		config = config.Clone()
		config.ServerName = name
	}
	return config
}

// Expires is when the certificate in force expires; the zero time before Load.
func (c *Credentials) Expires() time.Time {
	config := c.Config()
	if config == nil {
		return time.Time{}
	}
	return config.Certificates[0].Leaf.NotAfter
}

// Load reads all files, and puts them in force together. If one is bad it returns why, naming the flag, the file and the
// reason, and what was in force stays. Warnings tell what peers will object to.
func (c *Credentials) Load() (warnings []string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.load(c.flags)
}

// load takes the flags, if all their files are good. mu is held.
func (c *Credentials) load(flags Flags) (warnings []string, err error) {
	named := flags
	named.Name = nameOf(cmp.Or(flags.Name, c.host))
	next, warnings, err := named.load()
	if err != nil {
		return nil, err
	}
	c.flags = flags
	c.named.Store(flags.Name != "")
	c.current.Store(next)
	return warnings, nil
}

// Reload is Load at a SIGHUP: it logs the outcome, and reports whether the files are in force.
func (c *Credentials) Reload() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reload(c.flags)
}

// ReloadFrom is Reload with other flags, which are valid. Where one of their files is bad, the old flags stay.
func (c *Credentials) ReloadFrom(flags Flags) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reload(flags)
}

// Follow tells how c, which is in force, goes on with next, of flags that were read anew: which flags take effect, and
// what reads their files. Either is nil where its side has no TLS; that comes and goes with a restart alone.
func (c *Credentials) Follow(next *Credentials) (live []string, reload func() bool) {
	switch {
	case c == nil:
		return nil, nil
	case next == nil:
		return nil, c.Reload
	}
	return Names(), func() bool { return c.ReloadFrom(next.flags) }
}

func (c *Credentials) reload(flags Flags) bool {
	warnings, err := c.load(flags)
	if err != nil {
		slog.Error("SIGHUP: the old TLS certificates stay in force", "reason", err)
		return false
	}
	for _, w := range warnings {
		slog.Warn(w)
	}
	leaf := c.Config().Certificates[0].Leaf
	slog.Info("SIGHUP: TLS certificates read again", "certificate", leaf.Subject.CommonName,
		"expires", leaf.NotAfter.Format(time.RFC3339))
	return true
}

// load makes a configuration of the files.
func (f *Flags) load() (config *tls.Config, warnings []string, err error) {
	certFile, keyFile, caFile := file{"tlscert", f.Cert}, file{"tlskey", f.Key}, file{"tlsca", f.CA}
	chain, err := certFile.certificates()
	if err != nil {
		return nil, nil, err
	}
	key, err := keyFile.key()
	if err != nil {
		return nil, nil, err
	}
	own, ok := pair(chain, key)
	if !ok {
		return nil, nil, keyFile.fail(errMismatch)
	}
	cas, err := caFile.certificates()
	if err != nil {
		return nil, nil, err
	}
	pool, warnings := caFile.pool(cas)
	warnings = append(warnings, certFile.expiry(own.Leaf)...)
	warnings = append(warnings, certFile.use(own.Leaf, f.server)...)
	v := verifier{allow: f.Allow}
	if f.CRL != "" {
		var more []string
		if v.revoked, more, err = (file{"tlscrl", f.CRL}).revocations(cas); err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, more...)
	}
	config = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, VerifyConnection: v.verify}
	if f.server {
		config.ClientCAs, config.ClientAuth = pool, tls.RequireAndVerifyClientCert
	} else {
		config.RootCAs, config.ServerName = pool, f.Name
	}
	return config, warnings, nil
}

// expiry warns of a certificate that is not valid now.
func (f file) expiry(c *x509.Certificate) []string {
	switch {
	case time.Until(c.NotAfter) < 0:
		return []string{fmt.Sprintf("-%s %s: certificate %q expired on %s", f.flag, f.path, secure.CertificateName(c), c.NotAfter.Format(time.RFC3339))}
	case time.Until(c.NotBefore) > 0:
		return []string{fmt.Sprintf("-%s %s: certificate %q is not valid before %s", f.flag, f.path, secure.CertificateName(c), c.NotBefore.Format(time.RFC3339))}
	}
	return nil
}

// use warns of a certificate that is not for this side.
func (f file) use(c *x509.Certificate, server bool) []string {
	want, side := x509.ExtKeyUsageClientAuth, "clients (clientAuth)"
	if server {
		want, side = x509.ExtKeyUsageServerAuth, "servers (serverAuth)"
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 || slices.Contains(c.ExtKeyUsage, want) ||
		slices.Contains(c.ExtKeyUsage, x509.ExtKeyUsageAny) {
		return nil
	}
	return []string{fmt.Sprintf("-%s %s: certificate %q is not for %s: peers will refuse it", f.flag, f.path, secure.CertificateName(c), side)}
}
