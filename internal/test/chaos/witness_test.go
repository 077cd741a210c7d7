package chaos

import (
	"fmt"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// witness is sessions that no client uses: added and removed in the last moments of a master, and asked for when its replica has taken
// over. What asynchronous replication loses shows in them, since no request about them failed.
type witness struct {
	at      kit.Endpoint
	name    string
	added   []string // answered OK, and not removed since
	removed []string // answered OK
	old     []string // added some time ago
	made    int
}

// witnesses are how many sessions are there to be removed.
const witnesses = 200

// newWitness adds those that are to be removed.
func (n *nemesis) newWitness() *witness {
	w := &witness{at: n.asks, name: fmt.Sprintf("witness %08x/", n.random.Uint32())}
	for range witnesses {
		if id := w.id(); w.ask(codec.OpAdd, id) == codec.StatusOK {
			w.old = append(w.old, id)
		}
	}
	return w
}

func (w *witness) id() string {
	w.made++
	return fmt.Sprint(w.name, w.made)
}

// ask sends one request, and gives DISCONNECTED where there was no answer.
func (w *witness) ask(op codec.Op, id string) codec.Status {
	conn, err := kit.Connect(w.at)
	if err != nil {
		return codec.StatusDisconnected
	}
	defer func() { _ = conn.Close() }()
	request := kit.Ask(1, op, []byte(id))
	if op == codec.OpAdd {
		request = kit.Add(1, id, "session", sessionLife)
	}
	m, err := conn.Do(request)
	if err != nil {
		return codec.StatusDisconnected
	}
	status, err := codec.ParseStatus(m)
	if err != nil {
		return codec.StatusDisconnected
	}
	return status
}

// watch adds and removes sessions for so long.
func (w *witness) watch(length time.Duration) {
	for end := time.Now().Add(length); time.Now().Before(end); {
		if id := w.id(); w.ask(codec.OpAdd, id) == codec.StatusOK {
			w.added = append(w.added, id)
		}
		if len(w.old) > 0 {
			if id := w.old[0]; w.ask(codec.OpRemove, id) == codec.StatusOK {
				w.removed = append(w.removed, id)
			}
			w.old = w.old[1:]
		}
	}
}

// tell counts what is not there any more, and what is there again.
func (w *witness) tell(l *ledger) {
	for _, id := range w.added {
		l.lastAdds.Add(1)
		if w.ask(codec.OpHave, id) == codec.StatusNotOK {
			l.lostAdds.Add(1)
		}
	}
	for _, id := range w.removed {
		l.lastRemoves.Add(1)
		if w.ask(codec.OpHave, id) == codec.StatusOK {
			l.undone.Add(1)
		}
	}
}
