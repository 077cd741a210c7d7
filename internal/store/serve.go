package store

import (
	"time"

	"distcache/codec"
)

// Serve implements Store.
func (m *Memory) Serve(a Answers) { m.answers = a }

// Do implements Store: the answer comes before it returns, and the data of a GET are those
// of the store, not a copy.
func (m *Memory) Do(r Request, now time.Duration) {
	if r.Op == codec.OpGet {
		if data, ok := m.View(r.ID, now); ok {
			m.answers.Answer(r.Ticket, r.Op, codec.StatusOK, data, now)
		} else {
			m.answers.Answer(r.Ticket, r.Op, codec.StatusNotOK, nil, now)
		}
		return
	}
	m.answers.Answer(r.Ticket, r.Op, m.perform(r, now), nil, now)
}

// perform does what is answered by a status alone. An id that cannot exist is not found.
func (m *Memory) perform(r Request, now time.Duration) codec.Status {
	switch {
	case r.Op == codec.OpAdd:
		return m.addFor(r, now)
	case r.Op == codec.OpRemove && m.Remove(r.ID, now), r.Op == codec.OpHave && m.Have(r.ID, now):
		return codec.StatusOK
	}
	return codec.StatusNotOK
}

func (m *Memory) addFor(r Request, now time.Duration) codec.Status {
	result := m.Add(r.ID, r.Data, r.TTL, now)
	if result.Evicted > 0 {
		m.answers.Evicted(result.Evicted, now)
	}
	switch result.Outcome {
	case Stored:
		return codec.StatusOK
	case Exists:
		return codec.StatusAddExists
	}
	return codec.StatusAddCorrupt
}

// Flush implements Store: every request has been answered.
func (m *Memory) Flush(time.Duration) {}
