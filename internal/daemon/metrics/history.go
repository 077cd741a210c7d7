package metrics

const (
	// HistorySteps is how many values of each series are kept; the oldest goes when a new one
	// comes. With HistoryStep they make a quarter of an hour.
	HistorySteps = 180
	// spanSteps is the number of steps between two sets that are kept for Span, and spanSets is
	// how many of these there are: a quarter of an hour, too.
	spanSteps = 12
	spanSets  = HistorySteps / spanSteps
)

// history is what the process remembers of its figures. It is bounded, and takes some 600 KB.
type history struct {
	series []Series
	points [][]*float64 // by series: the oldest first; nil: no value
	last   *Set         // of the last step
	steps  int
	sets   []*Set // one for every spanSteps steps, the oldest first
}

func newHistory(series []Series) *history {
	return &history{series: series, points: make([][]*float64, len(series))}
}

// add takes the set of the next step.
func (h *history) add(s *Set) {
	if h.last != nil {
		span := Span{Then: h.last, Now: s}
		for i, series := range h.series {
			h.points[i] = append(h.points[i], pointOf(series, span))
			if n := len(h.points[i]); n > HistorySteps {
				h.points[i] = append(h.points[i][:0], h.points[i][n-HistorySteps:]...)
			}
		}
	}
	if h.steps%spanSteps == 0 {
		h.sets = append(h.sets, s)
		if len(h.sets) > spanSets {
			h.sets = append(h.sets[:0], h.sets[1:]...)
		}
	}
	h.steps++
	h.last = s
}

func pointOf(series Series, span Span) *float64 {
	value, ok := series.Of(span)
	if !ok {
		return nil
	}
	return &value
}

// span is the last quarter of an hour, or the time since start.
func (h *history) span() (p Span, ok bool) {
	if len(h.sets) == 0 || h.last == h.sets[0] {
		return Span{}, false
	}
	return Span{Then: h.sets[0], Now: h.last}, true
}
