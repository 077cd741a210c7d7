package chaos

import (
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// sessionLife is the timeout of every session: far beyond a run.
const sessionLife = 24 * time.Hour

// manner is how a client behaves.
type manner struct {
	// honest clients reach dc_client itself: no one may hang up on them, or be late. The
	// others have a Proxy before them that does both.
	honest bool
	// depth is how many requests it sends at most before it reads an answer.
	depth int
	// stay is how many times it does that at most on one connection.
	stay int
	// rude is how often, in a thousand connections, it leaves without its answers or
	// within a request.
	rude int
}

// field is what all clients of a run share.
type field struct {
	clock    clock
	kills    *kills
	ledger   *ledger
	tardy    *tardy
	patience time.Duration // for an answer, far beyond any timeout
	rate     float64       // requests a second of each client; 0: as fast as answers come
	quit     chan struct{}
	shared   bool         // the sessions outlive a dc_server: what failed in one may still be on its way when the next one serves
	gate     sync.RWMutex // who holds it has no connection of a client open
}

// client asks and judges what it is answered. It is for one goroutine.
type client struct {
	*field
	manner
	number  int
	members func(writer uint32) bool // who adds the sessions that it asks for
	at      kit.Endpoint
	shelf   *shelf
	random  *rand.Rand
	serial  uint32 // ADDs sent
	asked   uint32

	requests atomic.Int64
}

// request is one that was made, and what is to be known of its answer.
type request struct {
	history *history
	op      codec.Op
	uid     uint32
	value   value // of an ADD
	wire    []byte
}

// run asks until the end of the run.
func (c *client) run() {
	for !c.over() {
		c.connection()
	}
}

func (c *client) over() bool {
	select {
	case <-c.quit:
		return true
	default:
		return false
	}
}

// connection is the life of one connection.
func (c *client) connection() {
	c.gate.RLock()
	defer c.gate.RUnlock()
	began := c.clock.now()
	conn, err := kit.Connect(c.at)
	if err != nil {
		if c.honest {
			c.ledger.violate(hungUp, "client %d: %v", c.number, err)
		}
		c.pause(1, true)
		return
	}
	defer func() { _ = conn.Close() }()
	conn.SetPatience(c.patience)
	if c.random.IntN(1000) < c.rude {
		c.leave(conn)
		return
	}
	for range 1 + c.random.IntN(c.stay) {
		asked := 1 + c.random.IntN(c.depth)
		served, ok := c.converse(conn, asked, began)
		if !ok {
			c.pause(asked, true)
			return
		}
		if c.pause(asked, !served); c.over() {
			break
		}
		began = c.clock.now()
	}
	c.farewell(conn)
}

// converse sends n requests together and reads their answers. It reports whether
// dc_server answered all of them, and whether the connection goes on.
func (c *client) converse(conn *kit.Conn, n int, began int64) (served, ok bool) {
	asked := make([]request, n)
	var wire []byte
	for i := range asked {
		asked[i] = c.choose()
		wire = append(wire, asked[i].wire...)
	}
	sent := began // each of them may be carried out from here on, and answered before an earlier one is read
	err := conn.Write(wire)
	served = true
	for i := range asked {
		var m codec.Message
		if err == nil {
			m, err = conn.ReadMessage()
		}
		ret := c.clock.now()
		if err != nil {
			c.abandon(asked[i:], sent, ret, err)
			return false, false
		}
		served = c.judge(&asked[i], m, sent, ret) && served
		c.punctual(&asked[i], began, ret)
		began = ret // dc_client has one request of a connection open at a time: the next one's time begins here
	}
	return served, true
}

// choose makes a request.
func (c *client) choose() request {
	h := c.shelf.take(c.random)
	q := request{history: h, uid: c.uid()}
	switch n := c.random.IntN(100); {
	case n < 30:
		c.serial++
		q.op, q.value = codec.OpAdd, value{uint32(c.number), c.serial}
		q.wire = kit.Add(q.uid, h.id, string(canary(h.id, q.value, c.size())), sessionLife)
		return q
	case n < 70:
		q.op = codec.OpGet
	case n < 85:
		q.op = codec.OpRemove
	default:
		q.op = codec.OpHave
	}
	q.wire = kit.Ask(q.uid, q.op, []byte(h.id))
	return q
}

// uid is one that no other client has, or one that half of all clients use too.
func (c *client) uid() uint32 {
	c.asked++
	if c.number%2 == 0 {
		return c.asked & 0xff
	}
	return uint32(c.number)<<16 | c.asked&0xffff
}

// size is that of a session's data: mostly those of TLS sessions, some around the limits
// of frames, a few of all there are.
func (c *client) size() int {
	switch n := c.random.IntN(100); {
	case n < 80:
		return canarySize + c.random.IntN(380)
	case n < 98:
		return max(canarySize, (1+c.random.IntN(3))*codec.MaxFrameData-90+c.random.IntN(100))
	default:
		return canarySize + c.random.IntN(codec.MaxPayload-codec.AddOverhead-codec.MaxIDLen-canarySize)
	}
}

// farewell sends the end of the stream: nothing may come but the same.
func (c *client) farewell(conn *kit.Conn) {
	if conn.CloseWrite() != nil {
		return
	}
	rest, err := conn.ReadAll()
	if len(rest) > 0 {
		c.ledger.violate(doubled, "client %d: got %d bytes after the last answer: %.40x", c.number, len(rest), rest)
	}
	if c.honest && errors.Is(err, os.ErrDeadlineExceeded) {
		c.ledger.violate(unanswered, "client %d: the end of the stream was not answered within %v", c.number, c.patience)
	}
}

// leave goes with a request open, or within one, which is then never carried out.
func (c *client) leave(conn *kit.Conn) {
	c.ledger.rude.Add(1)
	call, q := c.clock.now(), c.choose()
	if c.random.IntN(2) == 0 {
		_ = conn.Write(q.wire[:1+c.random.IntN(len(q.wire)-1)])
		c.shelf.give(q.history, nil)
		return
	}
	_ = conn.Write(q.wire)
	if c.random.IntN(2) == 0 {
		_ = conn.Reset()
	}
	c.ledger.outcomes[lost].Add(1)
	c.requests.Add(1)
	c.shelf.give(q.history, &operation{
		client: c.number, op: q.op, value: q.value, outcome: lost, call: call, ret: c.clock.now(), epoch: anyEpoch,
	})
}

// pause keeps to the rate after n requests. After a failure it is longer, as that of an
// application is, so that histories do not fill with what may have happened.
func (c *client) pause(n int, failed bool) {
	d := time.Duration(0)
	if c.rate > 0 {
		d = time.Duration(c.random.ExpFloat64() * float64(n) / c.rate * float64(time.Second))
	}
	if failed {
		d = max(d, 5*time.Millisecond+time.Duration(c.random.Int64N(int64(20*time.Millisecond))))
	}
	if d == 0 {
		return
	}
	select {
	case <-time.After(min(d, time.Second)):
	case <-c.quit:
	}
}
