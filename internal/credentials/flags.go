package credentials

import (
	"path/filepath"
	"strings"

	"distcache/internal/daemon/options"
)

// Flags are the flags of one side, the client's or the server's.
type Flags struct {
	Cert, Key, CA string // files; all or none
	CRL           string // a file, or ""
	Name          string // client: the server's name; "" is the host of its address
	Allow         Patterns

	server bool
}

// DeclareServer adds the flags of a program that listens on TLS addresses.
func (f *Flags) DeclareServer(s *options.Set) {
	f.server = true
	f.declare(s, "Certificate of this server, in PEM, with its intermediates; for TLS: addresses.",
		"Certificates of the CAs that sign clients' certificates, in PEM.")
	s.Func("tlsallow", "names", "", "Accept only clients whose certificate has one of these names, separated by commas: host1,*.example.net "+
		"(default: all that CAs of -tlsca signed).", func(text string) (err error) {
		f.Allow, err = ParsePatterns(text)
		return err
	})
}

// DeclareClient adds the flags of a program that connects to TLS addresses.
func (f *Flags) DeclareClient(s *options.Set) {
	f.declare(s, "Certificate of this host, in PEM, with its intermediates; for TLS: addresses.",
		"Certificates of the CAs that sign the server's certificate, in PEM.")
	s.String(&f.Name, "tlsname", "name", "", "Name that the server's certificate must have, instead of the host of its address.")
}

func (f *Flags) declare(s *options.Set, cert, ca string) {
	s.String(&f.Cert, "tlscert", "file", "", cert)
	s.String(&f.Key, "tlskey", "file", "", "Key of -tlscert, in PEM; only its owner may have access to the file.")
	s.String(&f.CA, "tlsca", "file", "", ca)
	s.String(&f.CRL, "tlscrl", "file", "", "Revocation lists (CRLs) of CAs of -tlsca, in PEM.")
}

// values lists the flags of which the first given one shows that TLS is wanted.
func (f *Flags) values() []struct{ name, value string } {
	return []struct{ name, value string }{
		{"tlscert", f.Cert}, {"tlskey", f.Key}, {"tlsca", f.CA}, {"tlscrl", f.CRL}, {"tlsname", f.Name}, {"tlsallow", f.Allow.String()},
	}
}

// Names are the names of all flags, without hyphens: ReloadFrom takes other values of them.
func Names() (names []string) {
	for _, v := range (&Flags{}).values() {
		names = append(names, v.name)
	}
	return names
}

// Validate checks the flags against the addresses: secure tells that one of these is a TLS address. flag is the one of the
// addresses. With -daemon paths must be absolute. Its error is a *options.UsageError.
func (f *Flags) Validate(flag string, secure, daemon bool) error {
	for i, v := range f.values() {
		required := i < 3
		switch {
		case secure && required && v.value == "":
			return &options.UsageError{Flag: flag, Reason: "a TLS: address needs -tlscert, -tlskey and -tlsca, and -" + v.name + " is missing"}
		case !secure && v.value != "":
			return &options.UsageError{Flag: v.name, Value: v.value, Reason: "has no effect: -" + flag + " has no TLS: address"}
		case daemon && i < 4 && v.value != "" && !filepath.IsAbs(v.value):
			return options.RelativePath(v.name, v.value)
		}
	}
	return nil
}

// nameOf is a host as the name in a certificate: the zone of an IPv6 address is not part of that.
func nameOf(host string) string {
	name, _, _ := strings.Cut(host, "%")
	return strings.TrimSuffix(name, ".")
}
