package conn

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// The names that tests look up, and what the name server of this file says of them.
const (
	deadFirst = "dead-first.test" // a dead address, then the good one
	hungFirst = "hung-first.test" // one that accepts and says nothing, then the good one
	slowFirst = "slow-first.test" // one whose backlog is full, then the good one
	noAnswer  = "no-answer.test"  // the name server is silent
	secondAsk = "second-ask.test" // the good one, but only when the resolver asks again, after resolverWaits
	noSuch    = "no-such.test"    // there is no such name
	goesAway  = "goes-away-"      // and a number: the good one, once; then there is no such name
	twoHosts  = "two-hosts.test"  // the good one and the other
	moves     = "moves-"          // and a number: the good one, once; then the other
	goesMute  = "goes-mute-"      // and a number: the good one, once; then the name server is silent
)

// Loopback addresses by what listens there. No other process uses them. On 127.0.0.1 a daemon of
// another test may connect here: to a port that was its dc_server's before.
var (
	goodIP  = ownIP(1)
	hungIP  = ownIP(2)
	fullIP  = ownIP(3)
	otherIP = ownIP(4) // another good one
	deadIP  = ownIP(9) // nothing listens there
)

func ownIP(n byte) string {
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{127, byte(1 + pid>>8%250), byte(pid), n}).String()
}

// resolverWaits is how long Go's resolver waits for a name server.
const resolverWaits = 5 * time.Second

// once holds when names were asked for last, of those for which that counts, and each time that secondAsk was.
type once struct {
	last   map[string]time.Time
	second []time.Time
}

// use reports whether name resolves, still or by now.
func (o *once) use(name string) bool {
	if name == secondAsk {
		now := time.Now()
		again := slices.ContainsFunc(o.second, func(earlier time.Time) bool {
			since := now.Sub(earlier)
			return since > resolverWaits*96/100 && since < resolverWaits*106/100 // and not 2 s or 4 s, as attempts are apart
		})
		o.second = append(o.second, now)
		return again
	}
	if strings.HasPrefix(name, moves) {
		o.last[name] = time.Now()
		return true
	}
	if !strings.HasPrefix(name, goesAway) && !strings.HasPrefix(name, goesMute) {
		return name != noAnswer
	}
	_, used := o.last[name]
	o.last[name] = time.Now()
	return !used
}

func addressesOf(name string) []string {
	if strings.HasPrefix(name, goesAway) || strings.HasPrefix(name, goesMute) || strings.HasPrefix(name, moves) || name == secondAsk {
		return []string{goodIP}
	}
	return map[string][]string{
		deadFirst: {deadIP, goodIP},
		hungFirst: {hungIP, goodIP},
		slowFirst: {fullIP, goodIP},
		twoHosts:  {otherIP, goodIP},
	}[name]
}

// TestMain lets names be resolved by a name server of our own, and finds goroutines
// that were left behind.
func TestMain(m *testing.M) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		answerNames(pc)
	}()
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
	code := m.Run()
	_ = pc.SetReadDeadline(time.Now())
	<-ended
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// answerNames answers queries until pc's deadline. Then those that were left waiting
// get an answer too: the resolver would wait for it long after its caller has gone.
func answerNames(pc net.PacketConn) {
	var waiting []func()
	query := make([]byte, 1500)
	used := &once{last: map[string]time.Time{}}
	for {
		n, from, err := pc.ReadFrom(query)
		if err != nil {
			break
		}
		reply, silent := nameReply(query[:n], used)
		answer := func() { _, _ = pc.WriteTo(reply, from) } // what is lost is asked for again
		if silent {
			waiting = append(waiting, answer)
			continue
		}
		answer()
	}
	for _, answer := range waiting {
		answer()
	}
	_ = pc.SetReadDeadline(time.Now().Add(300 * time.Millisecond)) // for what they ask next
	for {
		n, from, err := pc.ReadFrom(query)
		if err != nil {
			break
		}
		reply, _ := nameReply(query[:n], used)
		_, _ = pc.WriteTo(reply, from)
	}
	_ = pc.Close()
}

const (
	dnsHeader = 12
	typeA     = 1
)

// nameReply is the answer to one query: the header, the question as it came, and an
// address record for each address.
func nameReply(query []byte, used *once) (reply []byte, silent bool) {
	end := dnsHeader
	var labels []string
	for query[end] != 0 {
		n := int(query[end])
		labels = append(labels, string(query[end+1:end+1+n]))
		end += 1 + n
	}
	name := strings.ToLower(strings.Join(labels, "."))
	question := query[dnsHeader : end+5]
	addresses := addressesOf(name)
	if _, again := used.last[name]; again && strings.HasPrefix(name, moves) {
		addresses = []string{otherIP}
	}
	ofA := binary.BigEndian.Uint16(question[len(question)-4:]) == typeA
	gone := ofA && !used.use(name)
	if gone {
		addresses = nil
	}
	flags := uint16(0x8180) // an answer; recursion was wanted and is to be had
	if addresses == nil {
		flags |= 3 // no such name
	}
	if !ofA {
		addresses = nil
	}
	reply = append(reply, query[:2]...)
	for _, field := range []uint16{flags, 1, uint16(len(addresses)), 0, 0} {
		reply = binary.BigEndian.AppendUint16(reply, field)
	}
	reply = append(reply, question...)
	for _, a := range addresses {
		reply = append(reply, 0xc0, dnsHeader, 0, typeA, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, net.ParseIP(a).To4()...)
	}
	return reply, gone && !strings.HasPrefix(name, goesAway)
}
