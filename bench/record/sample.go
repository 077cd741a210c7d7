package record

// Sample is what one round measured in one cell. The fields down to Round say which; those of which an experiment knows
// nothing are left out. Times are seconds where the name ends in _s, microseconds where it ends in _us.
type Sample struct {
	Experiment string  `json:"experiment"`
	Target     string  `json:"target"`
	Clients    int     `json:"clients,omitempty"`
	KeepAlive  bool    `json:"keep_alive,omitempty"`
	Rate       float64 `json:"rate,omitempty"`     // Rate, Calm: operations per second that were asked for
	Sessions   int     `json:"sessions,omitempty"` // Store, Calm: that the store holds
	Op         string  `json:"op,omitempty"`       // Store: Set, Hit or Miss
	Round      int     `json:"round"`              // from 1

	// Error says why the figures are not to be used, or are missing.
	Error string `json:"error,omitempty"`

	Operations uint64    `json:"operations"`
	Failed     uint64    `json:"failed"`              // that got no service
	Unstarted  uint64    `json:"unstarted,omitempty"` // of a given rate: due and never begun
	Elapsed    float64   `json:"elapsed_s"`
	Latency    Latency   `json:"latency"`
	Processes  []Process `json:"processes"` // the measured one first

	LoadCPU   float64 `json:"load_cpu_s"` // processor time of the load generator
	OthersCPU float64 `json:"others_s"`   // of everything on the machine that is no part of the measurement
	Steal     float64 `json:"steal_s"`    // that the hypervisor withheld
	// Late says that processor times were read after the clients' connections were closed, so they hold that too.
	Late bool `json:"late,omitempty"`

	// Idle and Store, Op Set: resident bytes of the measured process before and after.
	Before int64 `json:"resident_before,omitempty"`
	After  int64 `json:"resident_after,omitempty"`
}

// Latency is in microseconds.
type Latency struct {
	P50  float64 `json:"p50_us"`
	P90  float64 `json:"p90_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p99_9_us"`
	Max  float64 `json:"max_us"`
}

// Process is what one process took during a measurement.
type Process struct {
	Name   string  `json:"name"`
	CPU    float64 `json:"cpu_s"`    // user and system, from Run.Accounting
	User   float64 `json:"user_s"`   // of that, by the kernel's timer tick, in steps of 10 ms
	System float64 `json:"system_s"` // the same
	// Resident is its memory when the last answer was read and the clients were still connected, Peak the most so far.
	Resident int64 `json:"resident_bytes"`
	Peak     int64 `json:"peak_bytes"`
	// Collections counts garbage collections; nil for a program that is not in Go.
	Collections *int `json:"gcs,omitempty"`
}

// Usable reports whether the figures stand: nothing went wrong, and something was done.
func (s *Sample) Usable() bool { return s.Error == "" && s.Operations > 0 && len(s.Processes) > 0 }

// CPU returns the measured process's microseconds per operation. The sample must be usable.
func (s *Sample) CPU() float64 { return s.Processes[0].CPU * 1e6 / float64(s.Operations) }

// TotalCPU returns the microseconds per operation of all of the target's processes together.
func (s *Sample) TotalCPU() float64 {
	var sum float64
	for _, p := range s.Processes {
		sum += p.CPU
	}
	return sum * 1e6 / float64(s.Operations)
}

// Throughput returns operations per second.
func (s *Sample) Throughput() float64 {
	if s.Elapsed <= 0 {
		return 0
	}
	return float64(s.Operations) / s.Elapsed
}
