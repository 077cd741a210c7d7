package metrics

import (
	"fmt"
	"strings"
	"time"
)

// Status is one thing that an operator wants to know before any figure: the status page, the line of
// SIGUSR1 and the service manager show it in the same words.
type Status struct {
	Ready     bool          // the daemon can do its work
	Text      string        // “Connected to dc_server at 10.0.0.5:9001”
	For       time.Duration // how long it has been so
	Detail    string        // more about it, as a sentence without a full stop; "": there is none
	LastError string        // the last error, also where all is well again; "": there was none
	ErrorAgo  time.Duration // how long ago that was
	Whole     bool          // /readyz tells all of it, also when the daemon is ready
	Loops     int           // of how many event loops that is said; AddStatus counts them
}

// String gives the status as one line, which stays the same for as long as the status does.
func (s Status) String() string {
	line := s.Text
	if !s.Ready && s.LastError != "" {
		line += " (" + s.LastError + ")"
	}
	return sentences(line, s.Detail)
}

// detail is what the page shows below Text.
func (s Status) detail() string {
	last := ""
	if s.LastError != "" {
		last = fmt.Sprintf("Last error, %v ago: %s", s.ErrorAgo.Truncate(time.Second), s.LastError)
	}
	return sentences(s.Detail, last)
}

// Line says all statuses of the set in one line. Where loops differ, it tells how many say what.
func (s *Set) Line() string {
	var all []string
	for _, status := range s.Status {
		line := status.String()
		if len(s.Status) > 1 {
			line = fmt.Sprintf("%s (event loops: %d)", line, status.Loops)
		}
		all = append(all, line)
	}
	return sentences(all...)
}

// sentences joins sentences without a full stop, of which some may be "".
func sentences(all ...string) string {
	var some []string
	for _, s := range all {
		if s != "" {
			some = append(some, s)
		}
	}
	return strings.Join(some, ". ")
}
