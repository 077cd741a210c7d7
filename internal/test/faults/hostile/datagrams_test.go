package hostile

import (
	"encoding/binary"
	"fmt"
	"net"
	"regexp"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	"distcache/codec/sessiond"
	"distcache/internal/test/kit"
)

const (
	// burst is how many datagrams an act of “datagrams” sends, from so many sockets.
	burst         = 1000
	floodSockets  = 8
	perSocket     = burst / floodSockets
	floodInterval = 9 * time.Millisecond
	// floodRate is how many a second docs/RELIABILITY.md, D09, speaks of: a little less than a burst every floodInterval.
	floodRate = 100_000
)

// datagrams is a flood of stunnel's requests from a few sockets that nobody reads: most of them gets
// of sessions that are not there, some new sessions, some garbage.
func datagrams(at kit.Endpoint, count *traffic) (func(), error) {
	packet := func(kind sessiond.Type, value int) []byte {
		return sessiond.Append(nil, sessiond.Packet{Type: kind, Timeout: time.Second, Key: make([]byte, sessiond.KeyLen), Value: make([]byte, value)})
	}
	kinds := [][]byte{packet(sessiond.Get, 0), packet(sessiond.Get, 0), packet(sessiond.Get, 0), packet(sessiond.New, sessiond.MaxValue), packet(9, 0), {1, 2, 3}}
	var sockets []*ipv4.PacketConn
	for range floodSockets {
		socket, err := net.Dial(at.Network, at.Address)
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, ipv4.NewPacketConn(socket.(net.PacketConn)))
	}
	all := make([]ipv4.Message, perSocket)
	for n := range all {
		all[n].Buffers = [][]byte{slices.Clone(kinds[n%len(kinds)])}
	}
	sent := uint64(0)
	return func() {
		for _, socket := range sockets {
			for _, m := range all {
				sent++
				if b := m.Buffers[0]; len(b) >= sessiond.HeaderSize {
					binary.BigEndian.PutUint64(b[4:], sent)
				}
			}
			sendAll(socket, all, count)
		}
	}, nil
}

// sendAll sends datagrams with as few system calls as the kernel makes of it.
func sendAll(socket *ipv4.PacketConn, all []ipv4.Message, count *traffic) {
	for len(all) > 0 {
		n, err := socket.WriteBatch(all, 0)
		if err != nil {
			return
		}
		for _, m := range all[:n] {
			count.sent.Add(int64(m.N))
		}
		count.datagrams.Add(int64(n))
		all = all[n:]
	}
}

// tellRate logs how many datagrams a second were sent, and whether that is what docs/RELIABILITY.md speaks of.
func tellRate(t *testing.T, r report) {
	t.Helper()
	rate, reached := float64(r.Datagrams)/r.Took.Seconds(), "as many as docs/RELIABILITY.md says"
	if rate < floodRate {
		reached = fmt.Sprintf("this machine did not come to the %d of docs/RELIABILITY.md", floodRate)
	}
	t.Logf("%d datagrams in %v, %.0f a second: %s", r.Datagrams, r.Took.Round(time.Millisecond), rate, reached)
}

var sessiondLine = regexp.MustCompile(`answering stunnel sessiond=IP:(\S+)`)

// startDoors is startPair with an address for stunnel, and one for clients that speak memcached's protocols.
func startDoors(t *testing.T) (process *kit.Process, at, stunnel, memcached kit.Endpoint) {
	t.Helper()
	_, server := kit.NewRig(t).Server()
	memcached = kit.Unix(t)
	process, at = kit.NewRig(t).Client(server, "-sessiond", "IP:127.0.0.1:0", "-memcached", memcached.String())
	found := sessiondLine.FindStringSubmatch(process.Stderr())
	if found == nil {
		t.Fatalf("got %q, want a line with the address for stunnel", process.Stderr())
	}
	return process, at, kit.Endpoint{Network: "udp4", Address: found[1]}, memcached
}

// getOnce asks as a stunnel does, and tells how long the answer took; 0: none came in a second.
func getOnce(t *testing.T, door kit.Endpoint, id byte) time.Duration {
	t.Helper()
	conn, err := net.Dial(door.Network, door.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	asked := time.Now()
	key := make([]byte, sessiond.KeyLen)
	key[0] = id
	_, _ = conn.Write(sessiond.Append(nil, sessiond.Packet{Type: sessiond.Get, Key: key}))
	_ = conn.SetReadDeadline(asked.Add(time.Second))
	if n, _ := conn.Read(make([]byte, 100)); n == 0 {
		return 0
	}
	return time.Since(asked)
}

// TestD09FloodOfDatagrams: a flood leaves dc_client alive, its memory bounded, and stunnel served after.
func TestD09FloodOfDatagrams(t *testing.T) {
	t.Parallel()
	process, _, door, _ := startDoors(t)
	post := process.Post()
	tellRate(t, mustReport(t, startAttacker(t, orders{Door: door, Attack: "datagrams", Times: kit.Sized(20, 1000)})))
	kit.Wait(t, patience, "answer to a get", func() bool { return getOnce(t, door, 1) > 0 })
	slack := kit.DefaultSlack()
	slack.RSS += 16 << 20 // the sessions in flight, and what the heap keeps
	post.Check(slack)
}

// TestD09FloodMakesNoAnswerLate: beside a flood of 100,000 datagrams a second, a get is answered
// within 8 ms or not at all.
func TestD09FloodMakesNoAnswerLate(t *testing.T) {
	needQuiet(t)
	_, at, door, _ := startDoors(t)
	jitter := kit.MeasureJitter(t)
	attacker := startAttacker(t, orders{At: at, Door: door, Attack: "datagrams", Every: floodInterval})
	answered, asked := 0, 0
	for began := time.Now(); time.Since(began) < 2*measured; asked++ {
		took := getOnce(t, door, byte(asked))
		if took > 0 {
			answered++
		}
		if late := 8*time.Millisecond + jitter.Allowance(); took > late {
			kit.TooSlow(t, "get %d: got an answer after %v, want it within %v or not at all", asked, took, late)
		}
	}
	attacker.Signal(syscall.SIGTERM)
	tellRate(t, mustReport(t, attacker))
	t.Logf("%d of %d gets were answered meanwhile", answered, asked)
}

// TestD11FloodOfDatagramsLeavesVictims: a flood at the address for stunnel, and the clients of the
// other socket notice little.
func TestD11FloodOfDatagramsLeavesVictims(t *testing.T) {
	needQuiet(t)
	_, at, door, _ := startDoors(t)
	_, calm, _, _ := startDoors(t)
	mustLeaveVictims(t, orders{At: at, Door: door, Attack: "datagrams", Every: floodInterval}, calm, 50)
}

// TestD11FloodOfMemcachedLeavesVictims: clients of -memcached pipeline requests as fast as they are taken, and the clients of the
// other socket notice little.
func TestD11FloodOfMemcachedLeavesVictims(t *testing.T) {
	needQuiet(t)
	_, at, _, door := startDoors(t)
	_, calm, _, _ := startDoors(t)
	mustLeaveVictims(t, orders{At: at, Door: door, Attack: "memcached"}, calm, 10)
}
