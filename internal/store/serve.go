package store

import (
	"fmt"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/metrics"
)

// Serve implements Store.
func (m *Memory) Serve(a Answers) { m.answers = a }

// Do implements Store: the answer comes before it returns, and the data of a GET are those
// of the store, not a copy.
func (m *Memory) Do(r *Request, now time.Duration) {
	var data []byte
	found := false // an id that cannot exist is not found
	switch r.Op {
	case codec.OpGet:
		data, found = m.View(r.ID, now)
	case codec.OpHave:
		_, found = m.lookup(r.ID, now)
	case codec.OpRemove:
		found = m.Remove(r.ID, now)
	case codec.OpAdd:
		m.answers.Answer(r.Ticket, r.Op, m.addFor(r, now), nil, now)
		return
	}
	status := codec.StatusNotOK
	if found {
		status = codec.StatusOK
	}
	m.answers.Answer(r.Ticket, r.Op, status, data, now)
}

func (m *Memory) addFor(r *Request, now time.Duration) codec.Status {
	result := m.Add(r.ID, r.Data, r.TTL, now)
	if result.Evicted > 0 {
		m.answers.Evicted(result.Evicted, result.Full, now)
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

// Status implements Store: it is always ready.
func (m *Memory) Status(now time.Duration) metrics.Status {
	return metrics.Status{Ready: true, Text: "Serving sessions from memory", For: now,
		Detail: fmt.Sprintf("Sessions: %d of %d", m.stats.Sessions, m.stats.Capacity)}
}

// Figures implements Store: all of them are in Stats.
func (m *Memory) Figures() metrics.Source { return nil }
