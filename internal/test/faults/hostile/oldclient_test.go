package hostile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// oldClient reads as the old libdistcache does: into 4,096 bytes, and a frame of which up
// to 4 bytes have not come is whole for it, with what was in memory before.
type oldClient struct {
	sock net.Conn
	buf  [4096]byte
	have int
}

// get asks for one session and gives what the client takes for the answer.
func (c *oldClient) get(id string) ([]byte, error) {
	if _, err := c.sock.Write(kit.Get(7, id)); err != nil {
		return nil, err
	}
	var payload []byte
	for {
		data, complete, err := c.frame()
		payload = append(payload, data...)
		if err != nil || complete {
			return payload, err
		}
	}
}

// frame takes the next frame, reading once whenever it has too little.
func (c *oldClient) frame() (data []byte, complete bool, err error) {
	const missed = 4
	for {
		if c.have >= codec.HeaderSize {
			end := codec.HeaderSize + int(binary.BigEndian.Uint16(c.buf[codec.HeaderSize-2:]))
			if c.buf[1] != codec.Version || end > codec.FrameSize {
				return nil, false, fmt.Errorf("got a header of %x", c.buf[:codec.HeaderSize])
			}
			if c.have >= end-missed {
				data, complete = bytes.Clone(c.buf[codec.HeaderSize:end]), c.buf[codec.HeaderSize-3] == 1
				c.have = copy(c.buf[:], c.buf[min(end, c.have):c.have])
				return data, complete, nil
			}
		}
		n, err := c.sock.Read(c.buf[c.have:])
		if err != nil {
			return nil, false, err
		}
		c.have += n
	}
}

// askOld asks with a connection of its own, as libdistcache does.
func askOld(at kit.Endpoint, id string) ([]byte, error) {
	sock, err := net.Dial(at.Network, at.Address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sock.Close() }()
	_ = sock.SetDeadline(time.Now().Add(patience))
	c := &oldClient{sock: sock}
	return c.get(id)
}

// dataOf is n bytes that differ from their neighbours in any frame, none of them 0.
func dataOf(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(1 + (i*7+i/255)%255)
	}
	return string(b)
}

// dangerous are the lengths of answers that old clients misread, and their neighbours.
func dangerous() []int {
	var all []int
	for full := codec.MaxFrameData; full < codec.MaxPayload-codec.MaxFrameData; full += codec.MaxFrameData {
		for last := 2020; last <= 2025; last++ {
			all = append(all, full+last)
		}
	}
	return all
}

// TestH24OldClientsGetAnswersOfEveryLengthIntact has an old client ask dc_client, and
// dc_server itself, for answers of the lengths that it cannot read in one go.
func TestH24OldClientsGetAnswersOfEveryLengthIntact(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, client := kit.NewRig(t).Client(up.Endpoint())
	_, server := kit.NewRig(t).Server()
	adder := kit.Dial(t, server)
	for _, n := range dangerous() {
		id, data := fmt.Sprint(n), dataOf(n)
		up.Put(id, data, time.Hour)
		adder.ExpectStatus(kit.Add(1, id, data, time.Hour), codec.StatusOK)
		for _, at := range []kit.Endpoint{client, server} {
			got, err := askOld(at, id)
			if err != nil || string(got) != data {
				t.Errorf("%v, %d bytes: got %d bytes, %v, want those that were added", at, n, len(got), err)
			}
		}
	}
}

// TestH24WhoDoesNotReadHarmsNobody leaves answers of that kind unread. Meanwhile other clients
// are served. A client that reads in the end finds the whole answer.
func TestH24WhoDoesNotReadHarmsNobody(t *testing.T) {
	t.Parallel()
	const idle, waits = 200, 300 * time.Millisecond
	up := kit.NewUpstream(t, kit.Loopback())
	data := dataOf(codec.MaxFrameData + 2022)
	up.Put("id", data, time.Hour)
	process, at := kit.NewRig(t).Client(up.Endpoint())
	victim := kit.Dial(t, at)
	victim.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	post := process.Post()
	var lazy []*kit.Client
	for n := range idle {
		c := kit.Dial(t, at)
		c.Send(kit.Get(uint32(n), "id"))
		lazy = append(lazy, c)
	}
	for began := time.Now(); time.Since(began) < waits; time.Sleep(10 * time.Millisecond) {
		victim.ExpectStatus(kit.Have(2, "nobody's"), codec.StatusNotOK)
	}
	for n, c := range lazy {
		c.Expect(kit.Hit(uint32(n), data))
		_ = c.Close()
	}
	post.Check(kit.DefaultSlack())
}
