package main

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"distcache/codec/address"
	"distcache/upstream"
)

// servingLog logs which of several servers serves, and why another one does than before.
type servingLog struct {
	before string // as displayed; "": none served yet
	since  time.Duration
}

// changed notes that to serves, shown as name, and logs it where there are several. from is the one that it
// takes over from, and nil where that was lost.
func (s *servingLog) changed(from, to *upstream.Member, members []*upstream.Member, name string, several bool, now time.Duration) {
	defer func() { s.before, s.since = name, now }()
	if !several && len(members) == 1 {
		return
	}
	listed := slices.DeleteFunc(slices.Clone(members), (*upstream.Member).Leaving)
	reason := "it comes first on the list"
	switch {
	case s.before == "":
		reason = "it is the first that answered"
	case s.before == name:
		reason = "it was lost, and is back"
	case from == nil:
		reason = "the one before was lost"
	case from.Leaving():
		reason = "the one before is not on the list any more"
	}
	keys := []any{"server", name, "place", fmt.Sprintf("%d of %d", 1+slices.Index(listed, to), len(listed)), "reason", reason}
	if s.before != "" {
		keys = append(keys, "before", s.before, "after", (now - s.since).Round(time.Millisecond))
	}
	slog.Info("this dc_server serves from now on", keys...)
}

// joined is a list of addresses as a text.
func joined(list []address.Address) string {
	texts := make([]string, 0, len(list))
	for _, a := range list {
		texts = append(texts, a.String())
	}
	return strings.Join(texts, ", ")
}
