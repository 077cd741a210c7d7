package record

import "time"

// Format is the version of the file's layout.
const Format = 1

// Run is one run of the harness.
type Run struct {
	Format   int       `json:"format"`
	Form     string    `json:"form"` // Full, Quick, Compare or Part
	Started  time.Time `json:"started"`
	Took     float64   `json:"took_s"`
	Command  []string  `json:"command"`
	Revision string    `json:"revision"` // of the project, with "-dirty" when files differ from it

	Machine    Machine   `json:"machine"`
	Versions   []Version `json:"versions"`
	Accounting string    `json:"accounting"` // where processor times come from
	Rounds     int       `json:"rounds"`
	Warmup     float64   `json:"warmup_s"`
	Duration   float64   `json:"duration_s"` // of one measurement, without its warm-up
	Load       string    `json:"load"`       // what the clients ask, in words

	Targets []Target `json:"targets"`
	Skipped []Skip   `json:"skipped"`
	Samples []Sample `json:"-"` // one a line, at the end of the file
}

// Machine is where the run was made.
type Machine struct {
	CPU         string `json:"cpu"`
	Cores       int    `json:"cores"`
	Memory      int64  `json:"memory_bytes"`
	Kernel      string `json:"kernel"`
	Descriptors uint64 `json:"descriptor_limit"`
	Backlog     string `json:"somaxconn"`
}

// Version is that of one program.
type Version struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Target is something that was measured.
type Target struct {
	Name     string     `json:"name"`
	About    string     `json:"about"`
	Commands [][]string `json:"commands"` // its processes, the measured one first; a folder of sockets is $DIR
}

// Skip is something that was not measured.
type Skip struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// The forms of a run.
const (
	Full    = "full"
	Quick   = "quick"
	Compare = "compare" // of two builds
	Part    = "part"    // some experiments or targets only
)

// The experiments.
const (
	Proxy = "proxy" // operations by way of a proxy, as fast as answers come
	Rate  = "rate"  // the same, at a given rate
	Idle  = "idle"  // many connections that ask nothing
	Store = "store" // one connection to a store that holds many sessions, pipelined
	Calm  = "calm"  // a store at half of its highest rate
	// Steady is very many operations by way of one proxy, to see what it allocates.
	Steady = "steady"
)

// The operations of the experiment Store.
const (
	Set  = "SET"
	Hit  = "GET hit"
	Miss = "GET miss"
)
