package metrics

import (
	"fmt"
	"strings"
	"time"

	"distcache/engine/histogram"
)

// Set is all figures of a process, as they were at one time. It does not change once it is
// collected.
type Set struct {
	Families []*Family // in the order of the tables
	// Status tells where the daemon stands, the worst first.
	Status []Status
	at     time.Time
}

// NewSet makes a Set without figures.
func NewSet() *Set { return NewSetAt(time.Now()) }

// NewSetAt makes one of another time.
func NewSetAt(at time.Time) *Set { return &Set{at: at} }

// family finds the family of a figure, or makes one.
func (s *Set) family(d Description) *Family {
	if f := s.find(d.Name); f != nil {
		return f
	}
	f := &Family{Description: d}
	s.Families = append(s.Families, f)
	return f
}

func (s *Set) find(name string) *Family {
	for _, f := range s.Families {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Total adds the values of a figure, of those samples whose first labels are the given ones; ""
// is any. It is 0 for a figure that is not there.
func (s *Set) Total(name string, labels ...string) float64 {
	f := s.find(name)
	if f == nil {
		return 0
	}
	total := 0.0
	for _, sample := range f.Samples {
		if matches(sample.Labels, labels) {
			total += sample.Value
		}
	}
	return total
}

func matches(labels, wanted []string) bool {
	for i, w := range wanted {
		if w != "" && (i >= len(labels) || labels[i] != w) {
			return false
		}
	}
	return true
}

// Times gives the durations of a figure; empty ones for a figure that is not there.
func (s *Set) Times(name string) *histogram.Histogram {
	if f := s.find(name); f != nil && len(f.Samples) > 0 && f.Samples[0].Times != nil {
		return f.Samples[0].Times
	}
	return new(histogram.Histogram)
}

// Ready reports whether the daemon can do its work: all that it has a Status of is well.
func (s *Set) Ready() bool {
	for _, status := range s.Status {
		if !status.Ready {
			return false
		}
	}
	return true
}

// AddStatus adds a status, the worst first. What several loops say alike is one: since the last of
// them says so.
func (s *Set) AddStatus(added Status) {
	for i := range s.Status {
		if same := &s.Status[i]; same.Ready == added.Ready && same.Text == added.Text {
			if added.For < same.For {
				added.Loops = same.Loops
				*same = added
			}
			same.Loops++
			return
		}
	}
	added.Loops = 1
	at := len(s.Status)
	if !added.Ready {
		at = 0
		for at < len(s.Status) && !s.Status[at].Ready {
			at++
		}
	}
	s.Status = append(s.Status, Status{})
	copy(s.Status[at+1:], s.Status[at:])
	s.Status[at] = added
}

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

// sentences joins sentences, which come without a full stop. It leaves out those that are "".
func sentences(all ...string) string {
	var some []string
	for _, s := range all {
		if s != "" {
			some = append(some, s)
		}
	}
	return strings.Join(some, ". ")
}
