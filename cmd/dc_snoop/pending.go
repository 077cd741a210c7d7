package main

import (
	"sync/atomic"
	"time"

	"distcache/codec"
)

const (
	// maxOpen is how many open requests of one connection are remembered.
	maxOpen = 65536
	// maxRemembered is how many bytes the open requests of all connections may take together.
	// Requests beyond either bound are shown, and their answers count as unasked.
	maxRemembered = 32 << 20
)

// allowance counts the bytes of open requests, of all connections. It is safe for concurrent use.
type allowance struct{ left atomic.Int64 }

func newAllowance() *allowance {
	a := new(allowance)
	a.left.Store(maxRemembered)
	return a
}

// take reports whether there were so many bytes left, which are then taken.
func (a *allowance) take(bytes int) bool {
	if a.left.Add(-int64(bytes)) >= 0 {
		return true
	}
	a.give(bytes)
	return false
}

func (a *allowance) give(bytes int) { a.left.Add(int64(bytes)) }

// asked is a request without an answer.
type asked struct {
	at time.Time
	op codec.Op
	id []byte
}

// size is roughly the memory that it takes, in bytes, with its place in pending.
func (a *asked) size() int { return 128 + len(a.id) }

// pending is the requests of one connection that have no answer yet.
type pending struct {
	allowance *allowance
	byUID     map[uint32][]asked // the oldest first
	count     int
	most      int // that byUID has held: a map does not shrink
}

// keptPlaces is the most places for requests that an idle connection keeps.
const keptPlaces = 64

// add remembers a request, unless one of the bounds is reached.
func (p *pending) add(uid uint32, a asked) {
	if p.count == maxOpen || !p.allowance.take(a.size()) {
		return
	}
	if p.byUID == nil {
		p.byUID = make(map[uint32][]asked)
	}
	p.byUID[uid] = append(p.byUID[uid], a)
	p.count++
	p.most = max(p.most, p.count)
}

// take returns the oldest request of that uid, and forgets it. found is false if there is none.
func (p *pending) take(uid uint32) (oldest asked, found bool) {
	same := p.byUID[uid]
	if len(same) == 0 {
		return asked{}, false
	}
	oldest, same[0] = same[0], asked{} // so that the ID is not kept alive
	p.allowance.give(oldest.size())
	p.count--
	switch {
	case p.count == 0 && p.most > keptPlaces:
		p.byUID, p.most = nil, 0
	case len(same) == 1:
		delete(p.byUID, uid)
	default:
		p.byUID[uid] = same[1:]
	}
	return oldest, true
}

// drop forgets all, and returns how many there were.
func (p *pending) drop() int {
	n := p.count
	for _, same := range p.byUID {
		for i := range same {
			p.allowance.give(same[i].size())
		}
	}
	p.byUID, p.count = nil, 0
	return n
}
