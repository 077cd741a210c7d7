package process

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/codec/sessiond"
	"distcache/internal/test/kit"
)

// TestO26NoTraceAtTheDoors takes sessions through both daemons by -memcached and -sessiond. When they have been
// removed or have expired, no byte of them, of their IDs and of the keys that memcached's clients give them is left in
// the memory of either process.
func TestO26NoTraceAtTheDoors(t *testing.T) {
	t.Parallel()
	needRoot(t)
	canary := fmt.Sprintf("canary-%016x", kit.Random(t).Uint64())
	rig := kit.NewRig(t).Within(func(c kit.Command) kit.Command {
		c.Env = append(c.Env, "GODEBUG=asyncpreemptoff=1") // see TestO26NoTraceOfASession
		return c
	})
	server, serverAt := rig.Server()
	memcached := kit.Unix(t)
	agent, at := rig.Client(serverAt, "-memcached", memcached.String(), "-sessiond", "IP:127.0.0.1:0", "-sessiond-remove", "honour")
	d := doors{t: t, memcached: memcached, stunnel: regexp.MustCompile(`sessiond=IP:(\S+)`).FindStringSubmatch(agent.Stderr())[1],
		direct: kit.Dial(t, at), canary: canary}
	secrets := []string{canary, hex.EncodeToString([]byte(canary)), base64.RawURLEncoding.EncodeToString([]byte(canary))}
	d.text(canary, "set", 1, "STORED\r\n")
	mustHold(t, server, canary)
	d.text(canary, "delete", 0, "DELETED\r\n")
	for _, row := range d.rows() {
		t.Run(row.name, func(t *testing.T) {
			row.happen()
			for _, process := range []*kit.Process{server, agent} {
				for _, secret := range secrets {
					kit.Wait(t, patience, fmt.Sprintf("memory of %d without %q", process.PID(), secret), func() bool { return !holds(t, process, secret) })
				}
			}
		})
	}
	for _, process := range []*kit.Process{server, agent} {
		mustTellNothing(t, process, canary)
	}
}

// doors is where the canary goes in.
type doors struct {
	t         *testing.T
	memcached kit.Endpoint
	stunnel   string
	direct    *kit.Client // of dc_client's own protocol
	canary    string
}

// doorRow is one way of a session through them, to its end.
type doorRow struct {
	name   string
	happen func()
}

func (d doors) rows() []doorRow {
	id := d.canary
	apache, h2o := "mod_ssl-sess:"+hex.EncodeToString([]byte(id)), "h2o:ssl-session-cache:"+base64.RawURLEncoding.EncodeToString([]byte(id))
	through := func(key string, times int) func() {
		return func() {
			d.text(key, "set", times, "STORED\r\n")
			d.text(key, "set", times, "STORED\r\n") // REMOVE and ADD
			d.text(key, "add", times, "NOT_STORED\r\n")
			d.text(key, "get", times, "")
			d.text(key, "delete", times, "DELETED\r\n")
			d.text(key, "get", times, "")
		}
	}
	return []doorRow{
		{"a key of Apache's", through(apache, 1)},
		{"a key of h2o's", through(h2o, 1)},
		{"another key", through("0x"+id, 1)},
		{"a large session", through(apache, 1000)},
		{"a session that is too large", func() { d.text(apache, "set", 2000, "SERVER_ERROR object too large for cache\r\n") }},
		{"a session that expires", func() {
			d.ask("set "+apache+" 0 1 "+fmt.Sprint(len(id))+"\r\n"+id+"\r\n", "STORED\r\n")
			kit.Wait(d.t, patience, "session expired", func() bool { return d.status(kit.Have(1, id)) == codec.StatusNotOK })
		}},
		{"pipelined, and left", func() {
			set := "set " + apache + " 0 1 " + fmt.Sprint(100*len(id)) + "\r\n" + strings.Repeat(id, 100) + "\r\n"
			d.leave(strings.Repeat(set+"get "+apache+" "+h2o+" "+id+"\r\n", 20))
		}},
		{"half a request", func() { d.leave("set " + apache + " 0 60 10000\r\n" + strings.Repeat(id, 100)) }},
		{"no request", func() { d.leave(strings.Repeat(id, 200)) }},
		{"binary", func() {
			d.ask(d.binary(0x01, "\x00\x00\x00\x00\x00\x00\x00\x3c", apache, id), "\x81\x01")
			d.ask(d.binary(0x0c, "", apache, ""), "\x81\x0c")
			d.ask(d.binary(0x0c, "", id, ""), "\x81\x0c")
			d.ask(d.binary(0x04, "", apache, ""), "\x81\x04")
		}},
		{"stunnel", func() {
			d.packet(sessiond.New, id)
			kit.Wait(d.t, patience, "session stored", func() bool { return d.status(kit.Have(1, string(d.key()))) == codec.StatusOK })
			d.packet(sessiond.Get, "")
			d.packet(sessiond.Remove, "")
			kit.Wait(d.t, patience, "session removed", func() bool { return d.status(kit.Have(1, string(d.key()))) == codec.StatusNotOK })
			d.packet(sessiond.Get, "")
		}},
	}
}

func (d doors) dial() net.Conn {
	d.t.Helper()
	c, err := net.Dial(d.memcached.Network, d.memcached.Address)
	if err != nil {
		d.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(patience))
	return c
}

// ask sends a request on a connection of its own, and holds how the answer begins.
func (d doors) ask(send, want string) {
	d.t.Helper()
	c := d.dial()
	defer func() { _ = c.Close() }()
	_, _ = io.WriteString(c, send)
	got := make([]byte, 64<<10)
	n, err := c.Read(got)
	if !strings.HasPrefix(string(got[:n]), want) {
		d.t.Errorf("got %.60q, %v, want %q", got[:n], err, want)
	}
}

// text asks in the text protocol. The value is the canary, that many times.
func (d doors) text(key, verb string, times int, want string) {
	d.t.Helper()
	switch verb {
	case "set", "add":
		d.ask(fmt.Sprintf("%s %s 0 60 %d\r\n%s\r\n", verb, key, times*len(d.canary), strings.Repeat(d.canary, times)), want)
	default:
		d.ask(verb+" "+key+"\r\n", want)
	}
}

// leave sends something and leaves at once.
func (d doors) leave(send string) {
	d.t.Helper()
	c := d.dial()
	_, _ = io.WriteString(c, send)
	_ = c.Close()
}

func (d doors) status(request []byte) codec.Status {
	d.t.Helper()
	m, err := d.direct.Do(request)
	if err != nil {
		d.t.Fatal(err)
	}
	s, err := codec.ParseStatus(m)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// binary is a request of the binary protocol.
func (d doors) binary(opcode byte, extras, key, value string) string {
	b := make([]byte, 24)
	b[0], b[1], b[3], b[4] = 0x80, opcode, byte(len(key)), byte(len(extras))
	binary.BigEndian.PutUint32(b[8:], uint32(len(extras)+len(key)+len(value)))
	return string(b) + extras + key + value
}

// key is the canary as a key of stunnel's.
func (d doors) key() []byte {
	return append([]byte(d.canary), make([]byte, sessiond.KeyLen-len(d.canary))...)
}

// packet sends a packet as stunnel does, and reads the answer to a get.
func (d doors) packet(kind sessiond.Type, value string) {
	d.t.Helper()
	c, err := net.Dial("udp4", d.stunnel)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, _ = c.Write(sessiond.Append(nil, sessiond.Packet{Type: kind, Timeout: time.Minute, Key: d.key(), Value: []byte(value)}))
	if kind == sessiond.Get {
		_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)) // a busy machine answers nothing: it is late
		_, _ = c.Read(make([]byte, 1024))
	}
}
