package hostile

import (
	"encoding/binary"
	"net"
	"regexp"
	"syscall"
	"testing"
	"time"

	"distcache/codec/sessiond"
	"distcache/internal/test/kit"
)

// burst is how many datagrams an act of “datagrams” sends.
const burst = 1000

// datagrams is a flood of stunnel's requests from a few sockets that nobody reads: most of them gets
// of sessions that are not there, some new sessions, some garbage.
func datagrams(at kit.Endpoint, count *traffic) (func(), error) {
	var sockets []net.Conn
	for range 8 {
		socket, err := net.Dial(at.Network, at.Address)
		if err != nil {
			return nil, err
		}
		sockets = append(sockets, socket)
	}
	packet := func(kind sessiond.Type, value int) []byte {
		return sessiond.Append(nil, sessiond.Packet{Type: kind, Timeout: time.Second, Key: make([]byte, sessiond.KeyLen), Value: make([]byte, value)})
	}
	kinds := [][]byte{packet(sessiond.Get, 0), packet(sessiond.Get, 0), packet(sessiond.Get, 0), packet(sessiond.New, sessiond.MaxValue), packet(9, 0), {1, 2, 3}}
	sent := uint64(0)
	return func() {
		for range burst {
			sent++
			b := kinds[sent%uint64(len(kinds))]
			if len(b) >= sessiond.HeaderSize {
				binary.BigEndian.PutUint64(b[4:], sent)
			}
			n, _ := sockets[sent%uint64(len(sockets))].Write(b)
			count.sent.Add(int64(n))
		}
	}, nil
}

var sessiondLine = regexp.MustCompile(`answering stunnel sessiond=IP:(\S+)`)

// startDoor is startPair with an address for stunnel.
func startDoor(t *testing.T) (process *kit.Process, at, door kit.Endpoint) {
	t.Helper()
	_, server := kit.NewRig(t).Server()
	process, at = kit.NewRig(t).Client(server, "-sessiond", "IP:127.0.0.1:0")
	found := sessiondLine.FindStringSubmatch(process.Stderr())
	if found == nil {
		t.Fatalf("got %q, want a line with the address for stunnel", process.Stderr())
	}
	return process, at, kit.Endpoint{Network: "udp4", Address: found[1]}
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
	process, _, door := startDoor(t)
	post := process.Post()
	mustReport(t, startAttacker(t, orders{Door: door, Attack: "datagrams", Times: kit.Sized(20, 1000)}))
	kit.Wait(t, patience, "answer to a get", func() bool { return getOnce(t, door, 1) > 0 })
	slack := kit.DefaultSlack()
	slack.RSS += 16 << 20 // the sessions in flight, and what the heap keeps
	post.Check(slack)
}

// TestD09FloodMakesNoAnswerLate: beside a flood of 100,000 datagrams a second, a get is answered
// within 8 ms or not at all. So many are sent where the machine has nothing else to do.
func TestD09FloodMakesNoAnswerLate(t *testing.T) {
	needQuiet(t)
	_, at, door := startDoor(t)
	jitter := kit.MeasureJitter(t)
	attacker := startAttacker(t, orders{At: at, Door: door, Attack: "datagrams", Every: 10 * time.Millisecond})
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
	r := mustReport(t, attacker)
	t.Logf("%d of %d gets were answered beside %d datagrams", answered, asked, r.Acts*burst)
}

// TestD11FloodOfDatagramsLeavesVictims: a flood at the address for stunnel, and the clients of the
// other socket notice little.
func TestD11FloodOfDatagramsLeavesVictims(t *testing.T) {
	needQuiet(t)
	_, at, door := startDoor(t)
	_, calm, _ := startDoor(t)
	mustLeaveVictims(t, orders{At: at, Door: door, Attack: "datagrams", Every: 10 * time.Millisecond}, calm, 50)
}
