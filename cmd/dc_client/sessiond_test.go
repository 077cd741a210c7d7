package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/codec/sessiond"
	"distcache/internal/test/kit"
)

// door is the sessiond address of a dc_client, and the distcache socket beside it.
type door struct {
	t       testing.TB
	process *kit.Process
	udp     string
	at      kit.Endpoint
}

var sessiondLine = regexp.MustCompile(`answering stunnel sessiond=IP:(\S+)`)

// openDoor starts a dc_client with -sessiond, and waits until the text is in its log.
func openDoor(t testing.TB, server kit.Endpoint, until string, flags ...string) *door {
	t.Helper()
	process, at := kit.NewRig(t).Unlinked(server, append([]string{"-sessiond", "IP:127.0.0.1:0"}, flags...)...)
	process.WaitStderr(patience, until)
	found := sessiondLine.FindStringSubmatch(process.Stderr())
	if found == nil {
		t.Fatalf("got %q, want a line that names the address", process.Stderr())
	}
	return &door{t, process, found[1], at}
}

// linkedDoor is a door with a dc_server behind it.
func linkedDoor(t testing.TB, flags ...string) *door {
	t.Helper()
	_, server := kit.NewRig(t).Server()
	return openDoor(t, server, "connected to dc_server", flags...)
}

// dial is a socket of a stunnel.
func (d *door) dial() net.Conn {
	d.t.Helper()
	conn, err := net.Dial("udp4", d.udp)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// send sends a datagram as stunnel does, from a socket that is closed at once.
func (d *door) send(b []byte) {
	d.t.Helper()
	conn, err := net.Dial("udp4", d.udp)
	if err == nil {
		_, err = conn.Write(b)
		_ = conn.Close()
	}
	if err != nil {
		d.t.Fatal(err)
	}
}

// once sends a datagram and waits for an answer: nil when none comes in that time.
func (d *door) once(b []byte, wait time.Duration) []byte {
	d.t.Helper()
	conn, err := net.Dial("udp4", d.udp)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write(b); err != nil {
		d.t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(wait))
	buf := make([]byte, 2*sessiond.MaxPacket)
	n, err := conn.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// ask sends a get until it is answered: on a busy machine 8 ms may pass unused.
func (d *door) ask(b []byte) (answer []byte) {
	d.t.Helper()
	kit.Wait(d.t, patience, "answer to a get", func() bool {
		answer = d.once(b, 100*time.Millisecond)
		return answer != nil
	})
	return answer
}

func sessiondKey(text string) []byte {
	return append([]byte(text), make([]byte, sessiond.KeyLen-len(text))...)
}

func getPacket(id string) []byte {
	return sessiond.Append(nil, sessiond.Packet{Type: sessiond.Get, Key: sessiondKey(id)})
}

func newPacket(id, value string) []byte {
	return sessiond.Append(nil, sessiond.Packet{Type: sessiond.New, Timeout: 300 * time.Second, Key: sessiondKey(id), Value: []byte(value)})
}

// mustAnswer holds what a get is answered.
func (d *door) mustAnswer(id string, want sessiond.Type, value string) {
	d.t.Helper()
	wire := sessiond.Append(nil, sessiond.Packet{Type: want, Key: sessiondKey(id), Value: []byte(value)})
	if got := d.ask(getPacket(id)); !bytes.Equal(got, wire) {
		d.t.Errorf("get of %q: got %x, want %v: %x", id, got, want, wire)
	}
}

// TestSessiondVectors sends all that was recorded of stunnel to a dc_client with a dc_server behind
// it, and holds what it answers and what the cache has then.
func TestSessiondVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../codec/sessiond/testdata/sessiond.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Send, Recv string }
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	for _, policy := range []string{"ignore", "honour"} {
		d := linkedDoor(t, "-sessiond-remove", policy)
		client := kit.Dial(t, d.at)
		for _, v := range vectors {
			sent, received := unhexed(t, v.Send), unhexed(t, v.Recv)
			p, fault := sessiond.ParseRequest(sent)
			if fault != sessiond.OK {
				t.Fatalf("%s: %v", v.Name, fault)
			}
			id := string(p.Key)
			client.Answer(kit.Remove(1, id))
			replaySessiond(t, d, client, v.Name, id, p, sent, received, policy)
		}
	}
}

func replaySessiond(t *testing.T, d *door, client *kit.Client, name, id string, p sessiond.Packet, sent, received []byte, policy string) {
	t.Helper()
	has := func() bool { return client.Answer(kit.Have(3, id))[0] == byte(codec.StatusOK) }
	switch p.Type {
	case sessiond.New:
		d.send(sent)
		kit.Wait(t, patience, name, has)
		if got := client.Answer(kit.Get(4, id)); !bytes.Equal(got, p.Value) {
			t.Errorf("%s: got %x in the cache, want %x", name, got, p.Value)
		}
	case sessiond.Remove:
		client.ExpectStatus(kit.Add(5, id, "session", time.Minute), codec.StatusOK)
		d.send(sent)
		if policy == "honour" {
			kit.Wait(t, patience, name, func() bool { return !has() })
			return
		}
		d.mustAnswer("nothing", sessiond.NotFound, "") // it came after the removal
		if !has() {
			t.Errorf("%s: got the session removed, want it left alone", name)
		}
	case sessiond.Get:
		// What is wrong on purpose in some recorded answers, ours never is.
		want := sessiond.Packet{Type: sessiond.NotFound, Key: p.Key}
		if answer, fault := sessiond.ParseResponse(received); fault == sessiond.OK && len(answer.Value) > 0 {
			client.ExpectStatus(kit.Add(6, id, string(answer.Value), time.Minute), codec.StatusOK)
			want.Type, want.Value = sessiond.Found, answer.Value
		}
		if got := d.ask(sent); !bytes.Equal(got, sessiond.Append(nil, want)) {
			t.Errorf("%s: got %x, want %x", name, got, sessiond.Append(nil, want))
		}
	}
}

func unhexed(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestSessiondAcrossHosts: what one dc_client took, another gives, in either direction.
func TestSessiondAcrossHosts(t *testing.T) {
	t.Parallel()
	_, server := kit.NewRig(t).Server()
	doors := []*door{openDoor(t, server, "connected to dc_server"), openDoor(t, server, "connected to dc_server", "-loops", "2")}
	for n, d := range doors {
		id := string(rune('a' + n))
		d.send(newPacket(id, "a session"))
		other := doors[1-n]
		kit.Wait(t, patience, "session at the other host", func() bool {
			return bytes.Equal(other.ask(getPacket(id)), sessiond.Append(nil, sessiond.Packet{Type: sessiond.Found, Key: sessiondKey(id), Value: []byte("a session")}))
		})
	}
}

// TestD01SessiondWithoutServer: a get is answered “not found” at once while there is no connection, and
// found again once there is one.
func TestD01SessiondWithoutServer(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	up.Put(string(sessiondKey("id")), "a session", time.Hour)
	d := openDoor(t, up.Endpoint(), "connected to dc_server", "-retry", "20")
	d.mustAnswer("id", sessiond.Found, "a session")
	up.Stop()
	d.process.WaitStderr(patience, "no connection to dc_server")
	d.mustAnswer("id", sessiond.NotFound, "")
	d.send(newPacket("lost", "a session"))
	up.Start()
	kit.Wait(t, patience, "answer from dc_server", func() bool { return d.ask(getPacket("id"))[1] == byte(sessiond.Found) })
	d.mustAnswer("lost", sessiond.NotFound, "")
}

// TestD01SessiondSlowServer: a dc_server that hangs, or answers later than 8 ms, means no answer: not
// within the patience of stunnel, and not after. It is asked again without a restart.
func TestD01SessiondSlowServer(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]kit.Fault{"hung": kit.Drop, "20 ms late": kit.Late(20 * time.Millisecond)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := kit.NewUpstream(t, kit.Unix(t))
			id := string(sessiondKey("id"))
			up.Put(id, "a session", time.Hour)
			d := openDoor(t, up.Endpoint(), "connected to dc_server", "-timeout", "100", "-retry", "20")
			up.On(func(r kit.Request) bool { return r.ID == id }).Do(how)
			for range 3 {
				if got := d.once(getPacket("id"), 150*time.Millisecond); got != nil && got[1] != byte(sessiond.NotFound) {
					t.Errorf("got %x, want no session after 8 ms", got)
				}
			}
			up.Honest()
			kit.Wait(t, patience, "answer in time", func() bool { return bytes.HasSuffix(d.ask(getPacket("id")), []byte("a session")) })
		})
	}
}

// TestD09SessiondGarbage: garbage of all kinds is not answered, and leaves the others alone.
func TestD09SessiondGarbage(t *testing.T) {
	t.Parallel()
	d := linkedDoor(t)
	post := d.process.Post()
	d.send(newPacket("id", "a session"))
	good := getPacket("id")
	for n := range good {
		d.send(good[:n])
		for _, changed := range []byte{0, 0xff} {
			spoilt := bytes.Clone(good)
			spoilt[n%4] = changed
			d.send(spoilt)
		}
	}
	for _, b := range [][]byte{make([]byte, 36), make([]byte, 548), make([]byte, 549), make([]byte, 65000), []byte("GET / HTTP/1.0\r\n\r\n")} {
		d.send(b)
		b[0] = 1
		d.send(b)
	}
	if got := d.once(append(bytes.Clone(good), 1), 50*time.Millisecond); got != nil {
		t.Errorf("get with a value: got %x, want no answer", got)
	}
	d.mustAnswer("id", sessiond.Found, "a session")
	post.Check(kit.DefaultSlack())
}

// TestD09SessiondSpoofed: a datagram that names dc_client itself as its source begins no talk of
// dc_client with itself.
func TestD09SessiondSpoofed(t *testing.T) {
	t.Parallel()
	d := linkedDoor(t)
	if err := spoof(d.udp, d.udp, getPacket("id")); err != nil {
		t.Skipf("no raw socket: %v", err)
	}
	if err := spoof("127.0.0.1:0", d.udp, getPacket("id")); err != nil {
		t.Fatal(err)
	}
	other := d.dial() // which gets an answer that it has not asked for: so these datagrams arrive
	kit.Wait(t, patience, "answer to a datagram in the name of another socket", func() bool {
		if err := spoof(other.LocalAddr().String(), d.udp, getPacket("id")); err != nil {
			t.Fatal(err)
		}
		_ = other.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, _ := other.Read(make([]byte, 100))
		return n == sessiond.HeaderSize
	})
	d.mustAnswer("id", sessiond.NotFound, "")
	kit.MustIdle(t, func(testing.TB) time.Duration {
		now, err := kit.ReadVitals(d.process.PID())
		if err != nil {
			t.Fatal(err)
		}
		return now.CPU
	}, 0.5)
}

// TestSessiondInUse: one dc_client has an address; the other's start fails and says why.
func TestSessiondInUse(t *testing.T) {
	t.Parallel()
	d := openDoor(t, nowhere(), " ready ")
	other := kit.NewRig(t).Run("dc_client", "-server", nowhere().String(), "-listen", kit.Unix(t).String(), "-sessiond", "IP:"+d.udp)
	if code := other.Exit(patience); code != 1 || !strings.Contains(other.Stderr(), "-sessiond IP:"+d.udp+": bind: address already in use") {
		t.Errorf("got exit code %d and %q, want 1 and that the address is in use", code, other.Stderr())
	}
	warning := "-sessiond IP:127.0.0.1:0: any local user can read and store sessions there"
	if !strings.Contains(d.process.Stderr(), warning) {
		t.Errorf("got %q, want the warning %q", d.process.Stderr(), warning)
	}
}

// TestSessiondEnds: the orderly end is one with this address too.
func TestSessiondEnds(t *testing.T) {
	t.Parallel()
	d := linkedDoor(t)
	d.send(newPacket("id", "a session"))
	d.mustAnswer("other", sessiond.NotFound, "")
	mustEnd(t, d.process)
}

// TestSessiondMedian: with a dc_server on the same machine half of all gets, each from a new socket as
// stunnel's are, take less than 1 ms: stunnel waits for 4 to 8.
func TestSessiondMedian(t *testing.T) {
	kit.NeedFull(t, "compares times")
	_, server := kit.NewRig(t).Server("-listen", kit.Loopback().String())
	d := openDoor(t, server, "connected to dc_server")
	d.send(newPacket("id", strings.Repeat("v", 150)))
	d.ask(getPacket("id"))
	const gets = 2000
	var took []time.Duration
	for range gets {
		asked := time.Now()
		if d.once(getPacket("id"), 50*time.Millisecond) != nil {
			took = append(took, time.Since(asked))
		}
	}
	slices.Sort(took)
	if len(took) == 0 {
		t.Fatal("got no answers")
	}
	median := took[len(took)/2]
	inTime, _ := slices.BinarySearch(took, 4*time.Millisecond)
	t.Logf("%d of %d gets were answered: median %v, p90 %v, p99 %v, %d within 4 ms", len(took), gets, median, took[len(took)*9/10], took[len(took)*99/100], inTime)
	if median >= time.Millisecond {
		kit.TooSlow(t, "got a median of %v, want less than 1 ms", median)
	}
}
