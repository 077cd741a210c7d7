package redis

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/redis/rueidis"
)

// wires is the Link of a Net: goroutines that have a connection each.
type wires struct {
	net     *Net
	address string
	buffer  int // size of a buffer of a connection
	jobs    chan job
	redials atomic.Uint32 // how often Redial was called

	mu   sync.Mutex
	open []net.Conn // by worker; nil: none
}

// job is what a worker does: a batch, or a probe.
type job struct {
	batch    *batch
	answered func(reply)
}

// Link implements Dialer.
func (n *Net) Link(address string) Link {
	l := &wires{net: n, address: address, buffer: bufferBytes, jobs: make(chan job, connections+1), open: make([]net.Conn, connections)}
	if n.links++; n.links > wideServers {
		l.buffer = narrowBytes
	}
	for i := range connections {
		w := &worker{link: l, number: i}
		go w.work()
	}
	return l
}

// Run implements Link.
func (l *wires) Run(b *batch) { l.jobs <- job{batch: b} } // there is room: no more run at a time

// Probe implements Link.
func (l *wires) Probe(answered func(reply)) { l.jobs <- job{answered: answered} }

// HangUp implements Link.
func (l *wires) HangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.open {
		if c != nil {
			_ = c.Close() // whoever uses it learns of it
		}
	}
}

// Redial implements Link.
func (l *wires) Redial() { l.redials.Add(1) }

// Close implements Link.
func (l *wires) Close() {
	l.HangUp()
	l.net.links--
	close(l.jobs)
}

// worker is a goroutine with a connection.
type worker struct {
	link     *wires
	number   int
	client   rueidis.Client // nil: not yet
	redials  uint32         // those that it knows of
	commands []rueidis.Completed
}

func (w *worker) work() {
	for j := range w.link.jobs {
		if j.batch != nil {
			w.run(j.batch)
			_ = w.link.net.loop.Post(j.batch.finished) // an error means that the loop has ended
			continue
		}
		r := w.probe()
		_ = w.link.net.loop.Post(func() { j.answered(r) })
	}
	w.hangUp()
}

// hangUp ends the connection, and with it the client.
func (w *worker) hangUp() {
	w.disconnect() // so that the client does not wait for its server
	if w.client != nil {
		w.client.Close()
		w.client = nil
	}
}

// disconnect ends the connection. The client finds it stale, and makes another one.
func (w *worker) disconnect() {
	w.link.mu.Lock()
	defer w.link.mu.Unlock()
	if c := w.link.open[w.number]; c != nil {
		_ = c.Close() // nothing is under way
	}
}

// connect makes the client. Its connection is made when it is used, and again when it was lost.
func (w *worker) connect() (err error) {
	if now := w.link.redials.Load(); now != w.redials {
		w.redials = now
		w.disconnect()
	}
	if w.client == nil {
		w.client, err = w.link.net.client(w.link.address, false, dataLimits, w.link.buffer, func(c net.Conn) {
			w.link.mu.Lock()
			defer w.link.mu.Unlock()
			w.link.open[w.number] = c
		})
	}
	return err
}

// run sends a batch and waits for the replies.
func (w *worker) run(b *batch) {
	if err := w.connect(); err != nil {
		k, text := kindOfError(err)
		for range b.commands {
			b.replies = append(b.replies, failure(k, text))
		}
		return
	}
	w.commands = w.commands[:0]
	for i := range b.commands {
		w.build(b, &b.commands[i])
	}
	results := w.send()
	for i := range b.commands {
		var asked reply
		if b.commands[i].asking {
			asked, results = replyOf(&results[0], set), results[1:]
		}
		r := replyOf(&results[0], b.commands[i].verb)
		if b.commands[i].asking && asked.shape == isError && !r.broken { // the user may not be allowed to say ASKING
			r = asked
		}
		b.replies = append(b.replies, r)
		results = results[1:]
	}
	clear(w.commands)
}

// send sends the commands. A connection that was closed while it was idle has taken none of them: there is another attempt.
func (w *worker) send() []rueidis.RedisResult {
	results := w.client.DoMulti(context.Background(), w.commands...)
	if results[0].NonRedisError() == errStale {
		results = w.client.DoMulti(context.Background(), w.commands...)
	}
	return results
}

// build appends a command. Its strings are views of the batch, which stays until DoMulti has returned.
func (w *worker) build(b *batch, c *command) {
	builder := w.client.B()
	if c.asking {
		w.commands = append(w.commands, builder.Asking().Build())
	}
	key := view(b.cut(c.key))
	var done rueidis.Completed
	switch c.verb {
	case get:
		done = builder.Get().Key(key).Build()
	case set:
		done = builder.Arbitrary("SET").Keys(key).Args(view(b.cut(c.value)), "NX", "PX", view(b.cut(c.ttl))).Build()
	case del:
		done = builder.Del().Key(key).Build()
	case exists:
		done = builder.Exists().Key(key).Build()
	}
	w.commands = append(w.commands, done)
}

// probe asks for a key that nobody has.
func (w *worker) probe() reply {
	if err := w.connect(); err != nil {
		k, text := kindOfError(err)
		return failure(k, text)
	}
	w.commands = append(w.commands[:0], w.client.B().Exists().Key(w.link.net.probe).Build())
	return replyOf(&w.send()[0], exists)
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// replyOf takes the result of a command apart.
func replyOf(r *rueidis.RedisResult, v verb) reply {
	if err := r.NonRedisError(); err != nil {
		k, text := kindOfError(err)
		return failure(k, text)
	}
	m, err := r.ToMessage()
	switch {
	case rueidis.IsRedisNil(err):
		return reply{shape: isNull}
	case err != nil:
		return refusal(err.Error())
	case m.IsInt64():
		n, _ := m.AsInt64()
		return reply{shape: isNumber, number: n}
	case m.IsString():
		text, _ := m.ToString()
		switch {
		case text == "OK" && v != get:
			return reply{shape: isStatus}
		case text == "OK": // rueidis gives a constant, which cannot be wiped
			return reply{shape: isBulk, data: []byte(text)}
		}
		return reply{shape: isBulk, data: unsafe.Slice(unsafe.StringData(text), len(text))}
	}
	return reply{shape: isOther}
}
