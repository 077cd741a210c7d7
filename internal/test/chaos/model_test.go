package chaos

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"

	"distcache/codec"
)

// outcome is what a client was told of a request.
type outcome uint8

const (
	yes     outcome = iota // stored, found, removed
	no                     // there already (ADD), not there
	refused                // DISCONNECTED
	lost                   // the connection closed without an answer
)

func (o outcome) String() string { return [...]string{"yes", "no", "DISCONNECTED", "closed"}[o] }

// operation is one request about one session ID.
type operation struct {
	client    int
	op        codec.Op
	value     value // what an ADD stores, or a GET found
	outcome   outcome
	call, ret int64 // of the run's clock
	// epoch is, of a request that failed, that of the newest dc_server that can still
	// carry it out. dc_client sends a request once, on a connection that ends with its
	// dc_server; so what was DISCONNECTED cannot reach one that is started later.
	epoch int
}

// anyEpoch is that of a request whose bytes may lie unread in a socket still.
const anyEpoch = math.MaxInt

// doubtful reports whether it may have happened, and what then changes.
func (o *operation) doubtful() bool {
	return o.outcome >= refused && (o.op == codec.OpAdd || o.op == codec.OpRemove)
}

// restart is the end of the n-th dc_server, from 1, as a step of the model.
type restart struct{ n int }

// session is the model's state: one session ID in dc_server.
type session struct {
	epoch int
	value value // none: it is not there
}

// linearizable is porcupine's verdict on what was seen of one session ID that was new.
func linearizable(operations []operation, k *kills, limit time.Duration) porcupine.CheckResult {
	if len(operations) == 0 {
		return porcupine.Ok
	}
	first, last := int64(math.MaxInt64), int64(0)
	for _, o := range operations {
		first, last = min(first, o.call), max(last, o.ret)
	}
	epoch, killed := k.during(first, last)
	model := porcupine.Model{
		Init: func() any { return session{epoch: epoch} },
		Step: func(state, input, _ any) (bool, any) { return step(state.(session), input) },
	}
	return porcupine.CheckOperationsTimeout(model, events(operations, epoch, killed), limit)
}

// events puts operations and restarts into the checker's form. A request that failed and
// changes nothing tells nothing. One that may have happened may do so any time later.
func events(operations []operation, epoch int, killed []kill) []porcupine.Operation {
	all := make([]porcupine.Operation, 0, len(operations)+len(killed))
	for i := range operations {
		o := &operations[i]
		ret := o.ret
		if o.doubtful() {
			ret = math.MaxInt64
		} else if o.outcome >= refused {
			continue
		}
		all = append(all, porcupine.Operation{ClientId: o.client, Input: o, Call: o.call, Return: ret})
	}
	for i, one := range killed {
		all = append(all, porcupine.Operation{Input: restart{epoch + i + 1}, Call: one.begin, Return: one.end})
	}
	return all
}

// step is whether that can happen to the session, and what it is then.
func step(s session, input any) (bool, session) {
	if r, ok := input.(restart); ok {
		return s.epoch == r.n-1, session{epoch: r.n}
	}
	o := input.(*operation)
	if o.doubtful() {
		return true, s.perhaps(o)
	}
	there := s.value != value{}
	switch {
	case o.op == codec.OpAdd && o.outcome == yes:
		return !there, session{s.epoch, o.value}
	case o.op == codec.OpAdd:
		return there, s
	case o.op == codec.OpGet && o.outcome == yes:
		return s.value == o.value, s
	case o.op == codec.OpRemove && o.outcome == yes:
		return there, session{epoch: s.epoch}
	}
	return there == (o.outcome == yes), s
}

// perhaps is the session after a request that failed was carried out. That it never was
// is the same as that it was after all the others.
func (s session) perhaps(o *operation) session {
	switch {
	case s.epoch > o.epoch:
		return s
	case o.op == codec.OpRemove:
		return session{epoch: s.epoch}
	case s.value == value{}:
		return session{s.epoch, o.value}
	}
	return s
}

func (o *operation) String() string {
	return fmt.Sprintf("%v–%v client %d: %v %v: %v", time.Duration(o.call), time.Duration(o.ret), o.client, o.op, o.value, o.outcome)
}
