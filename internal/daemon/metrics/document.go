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

// Value is a Sample. Of durations and sizes it has how many there were, and Value is their sum.
type Value struct {
	Labels []string  `json:"labels,omitempty"`
	Value  float64   `json:"value"`
	Count  uint64    `json:"count,omitempty"`
	Spread *Quantile `json:"spread,omitempty"`
}

// Quantile is how long durations were, in seconds, or how large sizes were.
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
			if t := sample.Times; t != nil && t.Count() > 0 {
				v.Count, v.Value, v.Spread = t.Count(), t.Sum.Seconds(), spread(func(q float64) float64 {
					d, _ := t.Quantile(q)
					return d.Round(time.Microsecond).Seconds()
				})
			}
			if z := sample.Sizes; z != nil && z.Count() > 0 {
				v.Count, v.Value, v.Spread = z.Count(), float64(z.Sum), spread(func(q float64) float64 { return float64(z.Quantile(q)) })
			}
			values.Values = append(values.Values, v)
		}
		all = append(all, values)
	}
	return all
}

func spread(of func(q float64) float64) *Quantile {
	return &Quantile{P50: of(0.5), P90: of(0.9), P99: of(0.99), Max: of(1)}
}
