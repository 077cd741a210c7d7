package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Format is the version of the file's layout.
const Format = 1

// Run is one run of the harness.
type Run struct {
	Format   int       `json:"format"`
	Form     string    `json:"form"` // Full, Quick, Compare, Part or Growth
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
	Commands [][]string `json:"commands"` // its processes, the measured one first; a directory of sockets is $DIR
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
	// Doors is GETs of TLS terminators, from kept connections: in distcache's protocol or memcached's.
	Doors = "doors"
	// Steady is very many operations by way of one proxy, to see what it allocates.
	Steady = "steady"
	// Growth is dc_client in all its uses, from one client to as many as there may be, and with more and more operations
	// a second (Sample.Rate). It is measured alone, and is then the form of the run too.
	Growth = "growth"
)

// The operations of the experiments Store and Doors; Doors has no Set.
const (
	Set  = "SET"
	Hit  = "GET hit"
	Miss = "GET miss"
)

// Sample is what one round measured in one cell. The fields down to Round say which; those of which an experiment knows
// nothing are left out. Times are seconds where the name ends in _s, microseconds where it ends in _us.
type Sample struct {
	Experiment string  `json:"experiment"`
	Target     string  `json:"target"`
	Clients    int     `json:"clients,omitempty"`
	KeepAlive  bool    `json:"keep_alive,omitempty"`
	Rate       float64 `json:"rate,omitempty"`     // Rate, Calm, Growth: operations per second that were asked for
	Sessions   int     `json:"sessions,omitempty"` // Store, Calm: that the store holds
	Op         string  `json:"op,omitempty"`       // Store, Doors: Set, Hit or Miss
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

// ErrFormat is returned by Load for a file that is no run of this Format.
var ErrFormat = errors.New("not a file of results")

// samplesKey introduces the samples, behind all else.
const samplesKey = ",\n  \"samples\": ["

// Encode returns the run as JSON with one sample a line.
func (r *Run) Encode() ([]byte, error) {
	head, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(head, []byte("\n}")))
	b.WriteString(samplesKey)
	for i := range r.Samples {
		line, err := json.Marshal(&r.Samples[i])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString("\n    ")
		b.Write(line)
	}
	b.WriteString("\n  ]\n}\n")
	return b.Bytes(), nil
}

// Decode reads what Encode wrote. Its error wraps ErrFormat.
func Decode(b []byte) (*Run, error) {
	var file struct {
		Run
		Samples []Sample `json:"samples"`
	}
	if err := json.Unmarshal(b, &file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if file.Format != Format {
		return nil, fmt.Errorf("%w: format %d, want %d", ErrFormat, file.Format, Format)
	}
	file.Run.Samples = file.Samples
	return &file.Run, nil
}

// Save writes the run to the file, and makes its directory if need be.
func (r *Run) Save(path string) error {
	b, err := r.Encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o666)
}

// Load reads the file.
func Load(path string) (*Run, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

// Name returns the name of the run's file: when it started and its form.
func (r *Run) Name() string {
	return fmt.Sprintf("%s-%s.json", r.Started.UTC().Format("20060102-150405"), r.Form)
}

// Newest returns the path of the file in the directory to report on: of the runs of the first form that which started
// last, or without one of the second form, and so on. Runs of other forms do not count. It returns an error that wraps
// os.ErrNotExist when there is none.
func Newest(directory string, forms ...string) (string, error) {
	entries, err := os.ReadDir(directory)
	if err != nil {
		return "", err
	}
	for _, form := range forms {
		for _, e := range slices.Backward(entries) { // by name, which begins with the date
			if strings.HasSuffix(e.Name(), "-"+form+".json") {
				return filepath.Join(directory, e.Name()), nil
			}
		}
	}
	return "", fmt.Errorf("%s: no results of the form %s: %w; make bench and make bench-growth make them", directory, strings.Join(forms, " or "), os.ErrNotExist)
}
