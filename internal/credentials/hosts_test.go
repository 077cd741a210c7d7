package credentials

import "testing"

// TestConfigForOtherHosts: the certificate of each server must have the name of its own host, unless -tlsname gives one for all.
func TestConfigForOtherHosts(t *testing.T) {
	for _, row := range []struct{ tlsname, host, want string }{
		{"", "cache", "cache"}, {"", "other.example.net.", "other.example.net"}, {"", "fe80::1%eth0", "fe80::1"},
		{"site", "cache", "site"}, {"site", "other", "site"}, {"cache", "other", "cache"},
	} {
		_, _, flags := site(t)
		flags.Name, flags.server = row.tlsname, false
		c := New(flags, "cache")
		if _, err := c.Load(); err != nil {
			t.Fatal(err)
		}
		if got := c.ConfigFor(row.host); got.ServerName != row.want || got.RootCAs != c.Config().RootCAs {
			t.Errorf("-tlsname %q, host %q: got name %q, want %q", row.tlsname, row.host, got.ServerName, row.want)
		}
	}
}
