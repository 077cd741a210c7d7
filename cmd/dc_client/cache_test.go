package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// mustAsk has a GET answered with data, and holds what dc_server was asked for that.
func mustAsk(t *testing.T, client *kit.Client, up *kit.Upstream, id, data string, want codec.Op) {
	t.Helper()
	before := len(up.Requests())
	client.Send(kit.Get(1, id))
	client.Expect(codec.AppendMessage(nil, codec.Response, 1, codec.OpGet, []byte(data)))
	all := up.Requests()[before:]
	if len(all) != 1 || all[0].Op != want {
		t.Errorf("dc_server got %v for a GET of %q, want one %v", all, id, want)
	}
}

// TestCache: a GET of a session that passed through here costs a HAVE, whichever connection it came over, and only while dc_server has it.
func TestCache(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	process, at := startLinked(t, up.Endpoint(), "-cache", "64", "-idle", "0")
	data := strings.Repeat("d", 2000)
	up.Put("elsewhere", data, time.Hour)
	kit.Dial(t, at).ExpectStatus(kit.Add(1, "added", data, time.Hour), codec.StatusOK)
	client := kit.Dial(t, at)
	mustAsk(t, client, up, "added", data, codec.OpHave)
	mustAsk(t, client, up, "elsewhere", data, codec.OpGet)
	mustAsk(t, client, up, "elsewhere", data, codec.OpHave)
	up.Lose("elsewhere") // as when another host removes it
	mustAsk(t, client, up, "elsewhere", "\x01", codec.OpHave)
	mustAsk(t, client, up, "elsewhere", "\x01", codec.OpGet)
	client.ExpectStatus(kit.Remove(1, "added"), codec.StatusOK)
	mustAsk(t, client, up, "added", "\x01", codec.OpGet)
	if text := process.Stderr(); !regexp.MustCompile(` ready .*cache_mib=64`).MatchString(text) {
		t.Errorf("got %q, want a line that tells of the cache", text)
	}
}

// TestCacheOfSeveralLoops: a client finds what it wrote, whichever loop its connections come to.
func TestCacheOfSeveralLoops(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint(), "-cache", "100", "-loops", "2")
	for n := range 40 {
		data := fmt.Sprintf("data of time %d", n)
		kit.Dial(t, at).AwaitStatus(kit.Add(1, "id", data, time.Hour), codec.StatusOK)
		for range 4 {
			client := kit.Dial(t, at)
			client.Send(kit.Get(1, "id"))
			client.Expect(codec.AppendMessage(nil, codec.Response, 1, codec.OpGet, []byte(data)))
		}
		kit.Dial(t, at).ExpectStatus(kit.Remove(1, "id"), codec.StatusOK)
	}
	if haves := slices.DeleteFunc(up.Requests(), func(q kit.Request) bool { return q.Op != codec.OpHave }); len(haves) == 0 {
		t.Error("got no HAVE, want some")
	}
}

// TestCacheIsOff by default.
func TestCacheIsOff(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint())
	client := kit.Dial(t, at)
	client.ExpectStatus(kit.Add(1, "id", "data", time.Hour), codec.StatusOK)
	for range 2 {
		mustAsk(t, client, up, "id", "data", codec.OpGet)
	}
}

// TestCacheServesMemcached: clients of another front have the same sessions.
func TestCacheServesMemcached(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	memcached := kit.Unix(t)
	_, at := startLinked(t, up.Endpoint(), "-cache", "64", "-memcached", memcached.String())
	kit.Dial(t, at).ExpectStatus(kit.Add(1, "\x00\x11", "the data", time.Hour), codec.StatusOK)
	before := len(up.Requests())
	client := kit.Dial(t, memcached)
	client.Send([]byte("get mod_ssl-sess:0011\r\n"))
	client.Expect([]byte("VALUE mod_ssl-sess:0011 0 8\r\nthe data\r\nEND\r\n"))
	if all := up.Requests()[before:]; len(all) != 1 || all[0].Op != codec.OpHave {
		t.Errorf("dc_server got %v, want a HAVE", all)
	}
}

// TestCacheIsCounted: the bound of the memory holds the cache, and -metrics shows what it is good for.
func TestCacheIsCounted(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	without, _ := start(t, up.Endpoint())
	figures := kit.Unix(t)
	with, at := startLinked(t, up.Endpoint(), "-cache", "64", "-metrics", figures.String())
	if got := memoryBound(t, with) - memoryBound(t, without); got < 64<<20 {
		t.Errorf("got a bound that is %d MiB larger, want 64 at least", got>>20)
	}
	client := kit.Dial(t, at)
	client.ExpectStatus(kit.Add(1, "id", "data", time.Hour), codec.StatusOK)
	mustAsk(t, client, up, "id", "data", codec.OpHave)
	kit.Wait(t, patience, "the figures of a hit", func() bool { // they may be a second old
		page := kit.Dial(t, figures)
		page.Send([]byte("GET /metrics HTTP/1.0\r\nHost: dc_client\r\n\r\n"))
		text, _ := page.ReadAll()
		return strings.Contains(string(text), "\ndistcache_cache_gets_total{result=\"hit\"} 1\n") &&
			strings.Contains(string(text), "\ndistcache_cache_sessions 1\n")
	})
}
