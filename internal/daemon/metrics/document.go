package metrics

import "time"

// The documents that package web gives out as JSON: the page reads Page, and dc_test -stats reads
// Figures.

// Page is what the status page shows.
type Page struct {
	Program  string         `json:"program"`
	Version  string         `json:"version"`
	Host     string         `json:"host"`
	Pid      int            `json:"pid"`
	Uptime   float64        `json:"uptime"` // seconds
	Ready    bool           `json:"ready"`
	Status   []PageStatus   `json:"status"`
	Mistakes []FoundMistake `json:"mistakes"`
	Step     float64        `json:"step"`  // seconds between two points
	Steps    int            `json:"steps"` // how many there are at most
	Plots    []Plot         `json:"plots"`
	Events   []Event        `json:"events"` // the newest first
}

// PageStatus is a Status.
type PageStatus struct {
	Ready  bool    `json:"ready"`
	Text   string  `json:"text"`
	For    float64 `json:"for"` // seconds
	Detail string  `json:"detail,omitempty"`
	Loops  int     `json:"loops"` // of how many event loops that is said
}

// FoundMistake is a Mistake that lasts.
type FoundMistake struct {
	ID     string `json:"id"`
	Title  string `json:"title"`
	Seen   string `json:"seen"`
	Remedy string `json:"remedy"`
}

// Plot is the history of a Series.
type Plot struct {
	ID     string     `json:"id"`
	Title  string     `json:"title"`
	Unit   Unit       `json:"unit"`
	Good   int        `json:"good"`
	Points []*float64 `json:"points"` // the oldest first; null: no value
}

// Event is a line of the log.
type Event struct {
	Time  string `json:"time"` // RFC 3339
	Level string `json:"level"`
	Text  string `json:"text"`
	Times int    `json:"times"` // how often in a row
}

// Figures is all figures of a daemon.
type Figures struct {
	Program  string         `json:"program"`
	Version  string         `json:"version"`
	Status   []PageStatus   `json:"status"`
	Mistakes []FoundMistake `json:"mistakes"`
	Figures  []FigureValues `json:"figures"`
}

// FigureValues is a Family.
type FigureValues struct {
	Description
	Values []Value `json:"values"`
}

// Value is a Sample. Of durations it has how many there were, and what they took in seconds.
type Value struct {
	Labels []string  `json:"labels,omitempty"`
	Value  float64   `json:"value"`
	Count  uint64    `json:"count,omitempty"`
	Took   *Quantile `json:"took,omitempty"`
}

// Quantile is how long durations were, in seconds.
type Quantile struct {
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// PageOf gives the statuses of a set as the documents have them.
func (s *Set) PageOf() []PageStatus {
	all := make([]PageStatus, 0, len(s.Status))
	for _, status := range s.Status {
		all = append(all, PageStatus{Ready: status.Ready, Text: status.Text, For: status.For.Seconds(), Detail: status.detail(), Loops: status.Loops})
	}
	return all
}

// Values gives the figures of a set as the document has them.
func (s *Set) Values() []FigureValues {
	all := make([]FigureValues, 0, len(s.Families))
	for _, f := range s.Families {
		values := FigureValues{Description: f.Description, Values: []Value{}}
		for _, sample := range f.Samples {
			v := Value{Labels: sample.Labels, Value: sample.Value}
			if sample.Times != nil {
				v.Count, v.Value, v.Took = sample.Times.Count(), sample.Times.Sum.Seconds(), quantiles(sample)
			}
			values.Values = append(values.Values, v)
		}
		all = append(all, values)
	}
	return all
}

func quantiles(s Sample) *Quantile {
	of := func(q float64) float64 {
		d, _ := s.Times.Quantile(q)
		return d.Round(time.Microsecond).Seconds()
	}
	if s.Times.Count() == 0 {
		return nil
	}
	return &Quantile{P50: of(0.5), P90: of(0.9), P99: of(0.99), Max: of(1)}
}
