package network

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"distcache/internal/store/seal"
	"distcache/internal/test/kit"
)

// site is README's “Scale out” on hosts of a test: three terminators with a dc_client each, two dc_servers, and for one of the recipes a
// cluster of Redis. Each daemon has the words of README, and besides them its certificates, a socket and -metrics.
type site struct {
	*hosts
	ca      *kit.CA
	client  []string // the words of README
	server  []string
	clients []*daemon
	servers []*daemon
	redis   []*redisNode
	keys    *seal.Keys // of -seal; nil: none
}

// daemon is a dc_client or a dc_server with what it takes to start it again.
type daemon struct {
	*kit.Process
	name  string
	start func() *kit.Process
	at    kit.Endpoint // of a dc_client
	page  string       // the socket of -metrics
}

// readmeWords are the flags of the line in README's “Scale out” whose comment is that one, and of which tool.
func readmeWords(t *testing.T, comment string) (tool string, flags []string) {
	t.Helper()
	text, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Scale out\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		if command, said, ok := strings.Cut(line, "#"); ok && strings.HasPrefix(line, "    ") && strings.TrimSpace(said) == comment {
			words := strings.Fields(strings.Replace(command, "…", " ", 1))
			return words[0], words[1:]
		}
	}
	t.Fatalf("got no line “# %s” in README's “Scale out”, want one that the test can follow", comment)
	return "", nil
}

// newSite starts all of it.
func newSite(t *testing.T, client, server []string) *site {
	t.Helper()
	s := &site{ca: kit.NewCA(t, "the site's CA"), client: client, server: server}
	terminators, caches := []string{"www1", "www2", "www3"}, []string{"cache1", "cache2"}
	engines := []string{"redis1", "redis2", "redis3", "redis4", "redis5", "redis6"}
	stored := strings.Contains(strings.Join(server, " "), "-store")
	all := append(terminators[:3:3], caches...)
	if stored {
		kit.NeedRedis(t)
		all = append(all, engines...)
	}
	s.hosts = newHosts(t, all...)
	if stored {
		s.redis = s.startRedisCluster(engines...)
	}
	for _, name := range caches {
		s.servers = append(s.servers, s.newServer(name))
	}
	for _, name := range terminators {
		s.clients = append(s.clients, s.newClient(name))
	}
	return s
}

func (s *site) newServer(name string) *daemon {
	s.t.Helper()
	directory := s.t.TempDir()
	s.seal(directory)
	d := &daemon{name: "dc_server on " + name, page: filepath.Join(kit.SocketDir(s.t), "m")}
	flags := append(append(s.server[:len(s.server):len(s.server)], s.ca.Issue(name).Flags(s.ca)...), "-metrics", "UNIX:"+d.page)
	d.start = func() *kit.Process { return s.on(name, directory).Start("dc_server", flags...) }
	d.Process = d.start()
	if s.redis != nil {
		d.WaitStderr(patience, "found the servers of the store")
	}
	return d
}

// seal puts README's keyfile where -seal looks for it: the same on all hosts.
func (s *site) seal(directory string) {
	s.t.Helper()
	text := "id  " + strings.Repeat("1d", 32) + "\nkey " + strings.Repeat("42", 32) + "\n"
	err := os.WriteFile(filepath.Join(directory, "keyfile"), []byte(text), 0o600)
	if err == nil && strings.Contains(strings.Join(s.server, " "), "-seal keyfile") {
		s.keys, err = seal.Parse([]byte(text))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) newClient(name string) *daemon {
	s.t.Helper()
	directory := kit.SocketDir(s.t)
	d := &daemon{name: "dc_client on " + name, page: filepath.Join(directory, "m"),
		at: kit.Endpoint{Network: "unix", Address: filepath.Join(directory, "s")}}
	flags := append(append([]string{"-listen", d.at.String(), "-metrics", "UNIX:" + d.page}, s.client...), s.ca.Issue(name).Flags(s.ca)...)
	d.start = func() *kit.Process { return s.on(name, directory).Start("dc_client", flags...) }
	d.Process = d.start()
	d.WaitStderr(patience, "connected to dc_server")
	return d
}

// sockets are where the terminators ask.
func (s *site) sockets() (all []kit.Endpoint) {
	for _, c := range s.clients {
		all = append(all, c.at)
	}
	return all
}

// figures are those of a daemon whose names begin with prefix, by name and labels.
func (s *site) figures(d *daemon, prefix string) map[string]int {
	s.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", d.page)
	}}}
	answer, err := client.Get("http://daemon/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	found := map[string]int{}
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		var value float64
		name, text, _ := strings.Cut(lines.Text(), " ")
		if _, err := fmt.Sscan(text, &value); err == nil && strings.HasPrefix(name, prefix) {
			found[name] = int(value)
		}
	}
	return found
}

// slotOf is where a cluster has a session: CRC16 of the key, as the specification of Redis Cluster has it.
func (s *site) slotOf(id string) int {
	key := append([]byte("distcache:"), id...)
	if s.keys != nil {
		key = s.keys.AppendName([]byte("distcache:"), []byte(id))
	}
	if _, rest, ok := strings.Cut(string(key), "{"); ok {
		if tag, _, ok := strings.Cut(rest, "}"); ok && tag != "" {
			key = []byte(tag)
		}
	}
	crc := uint16(0)
	for _, b := range key {
		crc ^= uint16(b) << 8
		for range 8 {
			carry := crc >> 15
			crc = crc<<1 ^ 0x1021*carry
		}
	}
	return int(crc % 16384)
}
