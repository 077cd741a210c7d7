package credentials

import (
	"testing"

	"distcache/internal/test/kit"
)

// site is a CA and the flags of a server whose files are good.
func site(t *testing.T) (*kit.CA, kit.Pair, Flags) {
	t.Helper()
	ca := kit.NewCA(t, "test CA")
	pair := ca.Issue("cache")
	return ca, pair, flagsOf(t, ca, pair)
}

func flagsOf(t *testing.T, ca *kit.CA, pair kit.Pair) Flags {
	t.Helper()
	given := pair.Flags(ca)
	return Flags{Cert: given[1], Key: given[3], CA: given[5], server: true}
}

// load is Load of these flags.
func load(f Flags) ([]string, error) { return New(f, "cache").Load() }
