package metrics

// Names of figures that are read by their name.
const (
	Loops       = "distcache_loops"
	LoopAnswers = "distcache_loop_answers"
	Uptime      = "distcache_uptime_seconds"
	Clients     = "distcache_clients"
	Requests    = "distcache_requests_total"
)
