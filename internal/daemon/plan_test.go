package daemon

import (
	"testing"

	"distcache/codec/address"
)

// TestSocketsOfDoors: a door's sockets come behind those of -listen, with their flag and front; a
// socket file has 0660 unless -sockperms says otherwise.
func TestSocketsOfDoors(t *testing.T) {
	parse := func(text string) address.Address {
		a, err := address.ParseListen(text)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	dir := t.TempDir()
	c := Config{MaxClients: 10, Doors: []Door{
		{Flag: "one", Listen: []address.Address{parse("UNIX:" + dir + "/one"), parse("IP:127.0.0.1:0")}},
		{Flag: "two", Listen: []address.Address{parse("UNIX:" + dir + "/two")}},
	}}
	c.Flags.Listen = []address.Address{parse("UNIX:" + dir + "/s")}
	p, err := c.inspect()
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	want := []struct {
		flag  string
		front uint8
	}{{"listen", 0}, {"one", 1}, {"one", 1}, {"two", 2}}
	if len(p.listen) != len(want) {
		t.Fatalf("got %d sockets planned, want %d", len(p.listen), len(want))
	}
	for n, w := range want {
		if p.flagOf(n) != w.flag || p.frontOf(n) != w.front {
			t.Errorf("socket %d: got -%s, front %d, want -%s, %d", n, p.flagOf(n), p.frontOf(n), w.flag, w.front)
		}
	}
	without := c
	without.Doors = nil
	if got, fewer := c.ownDescriptors(), without.ownDescriptors(); got != fewer+3*listenDescriptors {
		t.Errorf("got %d descriptors, want %d more than the %d without doors", got, 3*listenDescriptors, fewer)
	}
}
