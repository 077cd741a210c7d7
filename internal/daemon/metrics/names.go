package metrics

// Names of figures that are read by their name.
const (
	Loops       = "distcache_loops"
	LoopAnswers = "distcache_loop_answers"
	Uptime      = "distcache_uptime_seconds"
	Clients     = "distcache_clients"
	Requests    = "distcache_requests_total"
	Answers     = "distcache_answers_total"
	Brief       = "distcache_brief_adds_total"
	Probes      = "distcache_probes_total"
)

// Front is the label for the protocol that clients speak. The line of SIGUSR1 leaves it out and adds
// the values of all fronts.
const Front = "front"
