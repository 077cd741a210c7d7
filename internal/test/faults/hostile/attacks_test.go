package hostile

import (
	"slices"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

const (
	// crowd is how many hostile clients there are at a time in "thousand".
	crowd = 1000
	// dripping is how many send byte by byte in "drip".
	dripping = 5000
	// hasty is how many of those do so every 10 ms.
	hasty = 250
	// flood is how many requests are on the way at a time in "flood".
	flood = 100
	// big is the ID of a session of bigSize bytes, which the tests add.
	big, bigSize = "big", codec.MaxPayload - 64
)

// attacks are what hostile clients do, by name: those of a life of their own, which an
// act lives once, and those of many clients at a time.
func attacks() map[string]attack {
	all := map[string]attack{"drip": drip, "connects": connects, "flood": floodOfRequests, "thousand": thousand, "datagrams": datagrams,
		"memcached": floodOfMemcached}
	for _, l := range lives() {
		all[l.name] = l.once
	}
	return all
}

// life is what one hostile client does from its connect to its end.
type life struct {
	name  string
	lives func(v *visitor)
	hits  bool // is sent more than it asks with, as clients of a cache are
}

// once is an attack of one such client after the other.
func (l life) once(at kit.Endpoint, count *traffic) (func(), error) {
	return func() {
		if v, err := visit(at, count); err == nil {
			l.lives(v)
			v.leave()
		}
	}, nil
}

func lives() []life {
	have, answer := kit.Have(1, "nobody's"), len(kit.Status(1, codec.OpHave, codec.StatusNotOK))
	sends := func(b []byte) func(*visitor) { return func(v *visitor) { v.send(b) } }
	refused := func(b []byte) func(*visitor) { return func(v *visitor) { v.send(b); v.readAll() } }
	wrong := slices.Clone(have)
	wrong[1]++
	full := kit.Add(1, "mixed", dataOf(2*codec.MaxFrameData), time.Hour)
	mixed := slices.Clone(full)
	mixed[codec.FrameSize+5]++
	return []life{
		{"HAVE", func(v *visitor) { v.send(have); v.read(answer) }, false},
		{"nothing", func(*visitor) {}, false},
		{"HTTP", refused([]byte("GET / HTTP/1.1\r\n\r\n")), false},
		{"wrong version", refused(wrong), false},
		{"frames of two requests", refused(mixed), false},
		{"half a header", sends(have[:9]), false},
		{"a frame of three", sends(full[:codec.FrameSize]), false},
		{"HAVE byte by byte", func(v *visitor) {
			for n := range have {
				v.send(have[n : n+1])
			}
			v.read(answer)
		}, false},
		{"HAVE, not waited for", sends(have), false},
		{"10 HAVE at once", func(v *visitor) { v.send(slices.Repeat(have, 10)); v.read(10 * answer) }, false},
		{"200 HAVE at once", func(v *visitor) { v.send(slices.Repeat(have, 200)); v.readLate(200 * answer) }, false},
		{"ADD of 4 bytes", func(v *visitor) { v.send(kit.Ask(1, codec.OpAdd, make([]byte, 4))); v.read(answer) }, false},
		{"ADD of 32 KB", func(v *visitor) { v.send(kit.Add(1, "add", dataOf(bigSize), time.Hour)); v.read(answer) }, false},
		{"REMOVE of nothing", func(v *visitor) { v.send(kit.Remove(1, "nobody's")); v.read(answer) }, false},
		{"GET of 32 KB", func(v *visitor) { v.send(kit.Get(1, big)); v.read(len(kit.Hit(1, dataOf(bigSize)))) }, true},
		{"17 frames", refused(slices.Repeat(full[:codec.FrameSize], 17)), false},
		{"300 HAVE at once, not read", sends(slices.Repeat(have, 300)), false},
		{"GET of 32 KB, not read", sends(kit.Get(1, big)), true},
		{"3 GET of 32 KB, not read", sends(slices.Repeat(kit.Get(1, big), 3)), true},
	}
}

// drip has many clients send a request byte by byte: at each act one each of the next 25, so
// every 200 ms, and one each of the next 25 of the hasty, so every 10 ms. Who is closed is
// back with its next byte.
func drip(at kit.Endpoint, count *traffic) (func(), error) {
	const each = 25
	all := make([]*dripper, dripping)
	for n := range all {
		all[n] = &dripper{at: at, count: count, request: kit.Add(1, dripped, dataOf(3000), time.Hour)}
		if err := all[n].connect(); err != nil {
			return nil, err
		}
	}
	fast, slow := all[:hasty], all[hasty:]
	next := 0
	return func() {
		for range each {
			fast[next%len(fast)].drip()
			slow[next%len(slow)].drip()
			next++
		}
	}, nil
}

// dripper is a client that sends a request byte by byte.
type dripper struct {
	at      kit.Endpoint
	count   *traffic
	request []byte
	visitor *visitor
	sent    int
}

func (d *dripper) connect() (err error) {
	d.visitor, err = visit(d.at, d.count)
	d.sent = 0
	return err
}

func (d *dripper) drip() {
	if d.visitor.send(d.request[d.sent : d.sent+1]) {
		d.sent = min(d.sent+1, len(d.request)-2)
		return
	}
	d.visitor.leave()
	_ = d.connect()
}

// dripped is the ID of the session in requests that never come whole.
const dripped = "dripped"

// connects has a hundred clients connect and leave at each act.
func connects(at kit.Endpoint, count *traffic) (func(), error) {
	return func() {
		for range 100 {
			if v, err := visit(at, count); err == nil {
				v.leave()
			}
		}
	}, nil
}

// floodOfRequests has one client ask a hundred times in one write, again and again, and take
// the answers as they come.
func floodOfRequests(at kit.Endpoint, count *traffic) (func(), error) {
	batch := slices.Repeat(kit.Have(1, "flood"), flood)
	v, err := visit(at, count)
	if err != nil {
		return nil, err
	}
	go v.readAll()
	return func() { v.send(batch) }, nil
}

// floodOfMemcached is floodOfRequests in memcached's words, by a few clients.
func floodOfMemcached(at kit.Endpoint, count *traffic) (func(), error) {
	var all []*visitor
	for range victims {
		v, err := visit(at, count)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
		go v.readAll()
	}
	batch := slices.Repeat([]byte("get flood\r\n"), flood)
	return func() {
		for _, v := range all {
			v.send(batch)
		}
	}, nil
}

// thousand has clients of all kinds connected at a time: at each act one leaves, and another
// comes in its place.
func thousand(at kit.Endpoint, count *traffic) (func(), error) {
	kinds := [][]byte{
		[]byte("GET / HTTP/1.1\r\n\r\n"), kit.Have(1, "half")[:9], kit.Get(1, big),
		slices.Repeat(kit.Get(1, big), 12), // more than the socket takes
		slices.Repeat(kit.Have(1, "flood"), flood), {0, 0x12}, nil,
	}
	all, next := make([]*visitor, crowd), 0
	act := func() {
		n := next % crowd
		if next++; all[n] != nil {
			all[n].leave()
		}
		if all[n], _ = visit(at, count); all[n] != nil {
			all[n].send(kinds[n%len(kinds)])
		}
	}
	for range crowd {
		act()
	}
	return act, nil
}
