package agent

import "distcache/codec"

// Write, WriteParted, Unread, Close, Resume and EndTurn implement front.Sockets.
func (h *hoard) Write(c int, b []byte) (held bool, err error) {
	client := &h.clients[c]
	client.in = append(client.in, b...)
	a := codec.NewAssembler(codec.Response)
	for len(client.in) > 0 {
		m, err := a.Next(client.in)
		h.must(err == nil && len(client.owed) > 0, "client %d got %.40x, %v, and is owed %d", c, client.in, err, len(client.owed))
		w := client.owed[0]
		h.must(m.UID == uint32(w.tick) && m.Op == w.op, "client %d got %v, uid %d, for %v, %d", c, m.Op, m.UID, w.op, w.tick)
		h.check(c, w, m.Payload(nil))
		client.in, client.owed = client.in[len(m.Wire):], client.owed[1:]
	}
	return false, nil
}

func (h *hoard) WriteParted(c int, b []byte, _ int) (bool, error) { return h.Write(c, b) }
func (h *hoard) Unread(int) int                                   { return 0 }
func (h *hoard) Close(c int)                                      { h.must(false, "client %d was closed", c) }
func (h *hoard) Resume(c int)                                     { h.clients[c].paused = false }
func (h *hoard) EndTurn()                                         {}

// check holds an answer against what servers had while it was under way.
func (h *hoard) check(c int, w *wish, payload []byte) {
	h.note("client %d: %v %s, uid %d: %.40q", c, w.op, w.id, w.tick, payload)
	if w.op != codec.OpGet {
		return
	}
	status := codec.Status(0xff)
	if len(payload) == 1 {
		status = codec.Status(payload[0])
	}
	value := string(payload)
	since := func(i instant) bool { return i.tick >= w.tick }
	switch {
	case status == codec.StatusDisconnected:
	case status == codec.StatusNotOK:
		h.must(h.held(w.id, since, func(v string) bool { return v == "" }),
			"client %d did not find %s, which each server had since %d", c, w.id, w.tick)
	case h.values[value] != w.id:
		h.must(false, "client %d got %.40q for %s", c, value, w.id)
	default:
		h.must(h.held(w.id, since, func(v string) bool { return v != "" }),
			"client %d got %.40q, and no server had a session for %s since %d", c, value, w.id, w.tick)
		if h.reused {
			since = func(i instant) bool { return i.at >= w.at-entryLife }
		}
		h.must(h.held(w.id, since, func(v string) bool { return v == value }),
			"client %d got %.40q, which no server had for %s since %d", c, value, w.id, w.tick)
	}
}

// held reports whether a server had such a session for an ID, at a time from since on.
func (h *hoard) held(id string, since func(instant) bool, such func(value string) bool) bool {
	for _, s := range h.houses {
		value := "" // before that
		for _, i := range s.past[id] {
			if since(i) && (such(value) || such(i.value)) {
				return true
			}
			value = i.value
		}
		if such(value) {
			return true
		}
	}
	return false
}
