package main

import (
	"distcache/bench/load"
)

// meter is a Protocol that tells when a run passes the points at which the accounts are to be read, on the thread of the
// load. Without it they would be read after ten thousand connections were closed, and hold the price of that.
type meter struct {
	load.Protocol
	progress   *load.Progress
	phase      load.Phase // of the last request
	begun      bool
	unanswered int

	first     func() // the first request is about to be made
	preloaded func() // all sessions are stored, what follows is about to begin
	drained   func() // the last answer has come. It may be called more than once: the last call is the one
}

// AppendRequest passes the request on.
func (m *meter) AppendRequest(dst []byte, r *load.Request) []byte {
	if phase := m.progress.Phase(); !m.begun || phase != m.phase {
		m.enter(phase)
	}
	m.unanswered++
	return m.Protocol.AppendRequest(dst, r)
}

func (m *meter) enter(phase load.Phase) {
	switch {
	case !m.begun:
		m.begun = true
		m.first()
	case m.phase == load.Preloading:
		m.preloaded()
	}
	m.phase = phase
}

// ParseAnswer passes the answer on. Where connections failed, what was asked on them is never answered: then drained is
// not called.
func (m *meter) ParseAnswer(b []byte, asked load.Asked) (load.Answer, int, error) {
	a, n, err := m.Protocol.ParseAnswer(b, asked)
	if err != nil {
		return a, n, err
	}
	m.unanswered--
	if m.unanswered == 0 && m.progress.Phase() == load.Draining {
		m.drained()
	}
	return a, n, nil
}
