package network

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// serverName is what dc_client is told to connect to.
const serverName = "cache.test"

// says is what the name server answers of serverName. The zero value: no records.
type says struct {
	code      byte // the response code: 2 SERVFAIL, 3 NXDOMAIN
	silent    bool
	late      time.Duration
	loops     bool // an alias of itself
	addresses []string
}

// nameServer answers on port 53 of the loopback interface of a namespace.
type nameServer struct {
	mu      sync.Mutex
	says    says
	asked   int
	socket  net.PacketConn
	running sync.WaitGroup
}

func startNameServer(t *testing.T, namespace string, first says) *nameServer {
	t.Helper()
	s := &nameServer{says: first}
	var err error
	within(t, namespace, func() { s.socket, err = net.ListenPacket("udp", "127.0.0.1:53") })
	if err != nil {
		t.Fatal(err)
	}
	s.running.Go(s.serve)
	t.Cleanup(func() {
		_ = s.socket.Close()
		s.running.Wait()
	})
	return s
}

// say changes what it answers.
func (s *nameServer) say(now says) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.says = now
}

// wasAsked is how many queries have come.
func (s *nameServer) wasAsked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *nameServer) serve() {
	query := make([]byte, 1500)
	for {
		n, from, err := s.socket.ReadFrom(query)
		if err != nil {
			return
		}
		s.mu.Lock()
		now := s.says
		s.asked++
		s.mu.Unlock()
		if now.silent {
			continue
		}
		reply := now.reply(query[:n])
		time.AfterFunc(now.late, func() { _, _ = s.socket.WriteTo(reply, from) }) // what is lost is asked for again
	}
}

// Parts of a DNS message (RFC 1035).
const (
	dnsHeader = 12
	typeA     = 1
	typeCNAME = 5
	typeAAAA  = 28
)

// reply is the answer to one query: the header, the question as it came, the records.
func (n says) reply(query []byte) []byte {
	end := dnsHeader
	for query[end] != 0 {
		end += 1 + int(query[end])
	}
	question := query[dnsHeader : end+5]
	kind := binary.BigEndian.Uint16(question[len(question)-4:])
	var records [][]byte
	for _, a := range n.addresses {
		ip := netip.MustParseAddr(a)
		if ip.Is4() && kind == typeA || ip.Is6() && kind == typeAAAA {
			records = append(records, record(kind, ip.AsSlice()))
		}
	}
	if n.loops {
		records = append(records, record(typeCNAME, []byte{0xc0, dnsHeader}))
	}
	reply := append([]byte{}, query[:2]...)
	for _, field := range []uint16{0x8180 | uint16(n.code), 1, uint16(len(records)), 0, 0} {
		reply = binary.BigEndian.AppendUint16(reply, field)
	}
	reply = append(reply, question...)
	for _, r := range records {
		reply = append(reply, r...)
	}
	return reply
}

// record is one of the name that was asked for, which may be kept for no time.
func record(kind uint16, data []byte) []byte {
	b := []byte{0xc0, dnsHeader, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(data))}
	return append(b, data...)
}

// named is a namespace with a name server. Its dc_client connects to serverName.
type named struct {
	namespace string
	names     *nameServer
	hosts     string // the file that stands for /etc/hosts
	resolv    string // and /etc/resolv.conf
}

func newNamed(t *testing.T, first says) *named {
	t.Helper()
	n := &named{namespace: newNamespace(t)}
	n.names = startNameServer(t, n.namespace, first)
	n.hosts, n.resolv = filepath.Join(t.TempDir(), "hosts"), filepath.Join(t.TempDir(), "resolv.conf")
	n.writeHosts(t, "127.0.0.1 localhost\n")
	if err := os.WriteFile(n.resolv, []byte("nameserver 127.0.0.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *named) writeHosts(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(n.hosts, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// startClient runs a dc_client there, which sees the two files in place of the system's:
// ip(8) gives it mounts of its own. Its -timeout is that of a Rig: on a busy machine dc_client would give up a
// connection whose answers are late, and it is the name that has to move it.
func (n *named) startClient(t *testing.T, flags ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	const script = `mount --bind "$1" /etc/resolv.conf && mount --bind "$2" /etc/hosts && shift 2 && exec "$@"`
	rig := inNamespace(t, n.namespace)
	bound := kit.NewRig(t).Within(func(c kit.Command) kit.Command {
		c.Args = append([]string{"-c", script, "sh", n.resolv, n.hosts, c.Path}, c.Args...)
		c.Path = "/bin/sh"
		return rig.Wrap(c)
	})
	return bound.Unlinked(kit.Endpoint{Network: "tcp", Address: serverName + ":" + cachePort},
		append([]string{millis("-retry", retry)}, flags...)...)
}

// startUpstream runs a dc_server there.
func (n *named) startUpstream(t *testing.T, ip string) (up *kit.Upstream) {
	t.Helper()
	within(t, n.namespace, func() {
		up = kit.NewUpstream(t, kit.Endpoint{Network: "tcp", Address: net.JoinHostPort(ip, cachePort)})
	})
	if up == nil {
		t.FailNow()
	}
	return up
}

// loopbacks are n addresses of this machine on which nobody listens, and one more.
func loopbacks(n int, more string) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("127.0.1.%d", i+1))
	}
	return append(all, more)
}
