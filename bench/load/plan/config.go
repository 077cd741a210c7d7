package plan

import (
	"errors"
	"fmt"
	"math"
	"time"

	"distcache/codec"
	"distcache/codec/address"
)

var (
	// ErrConfig is returned by Validate and Run when a field of Config is out of range; the text names the field.
	ErrConfig = errors.New("bad load configuration")
	// ErrMix is returned by ParseMix for a text that is no mix.
	ErrMix = errors.New("bad mix")
)

// The sessions of a TLS terminator (Apache 2.4 with OpenSSL 3), in bytes.
const (
	TLSIDLen   = 32
	TLSDataMin = 126
	TLSDataMax = 172
)

// The limits of a Config.
const (
	// MaxClients is bounded by what one process can have open at a time.
	MaxClients = 100_000
	// MaxPipeline is the greatest number of unanswered requests on one connection. What they and their answers take
	// must be bounded: a server stops reading when its answers are not read.
	MaxPipeline = 4096
	// MaxSessions is the greatest number of sessions of all clients together; each takes 40 bytes here.
	MaxSessions = 100_000_000
	// MinIDLen keeps random IDs from meeting by chance, in bytes.
	MinIDLen = 8
	// MinData is the shortest session, in bytes: a GET that is answered with one byte cannot be told from a status.
	MinData = 2
	// MaxData is the longest session that fits an ADD with the longest ID, in bytes.
	MaxData = codec.MaxPayload - codec.AddOverhead - codec.MaxIDLen
	// MaxRate is the highest rate, in operations per second.
	MaxRate = 10_000_000
)

// Verify is how much of each answer is checked.
type Verify uint8

const (
	// VerifyFull checks everything that the package comment says.
	VerifyFull Verify = iota
	// VerifyFrames checks that each request gets one well-formed answer of its own, whatever it says: for stubs that
	// store nothing.
	VerifyFrames
)

// String returns "full" or "frames".
func (v Verify) String() string {
	if v == VerifyFrames {
		return "frames"
	}
	return "full"
}

// Config is one run. Start from DefaultConfig.
type Config struct {
	Address  address.Address // of kind Unix or TCP
	Protocol func() Protocol // what is spoken; nil is Distcache

	Clients   int  // that ask at the same time, 1 to MaxClients
	KeepAlive bool // a client keeps its connection; otherwise each operation has one of its own
	Pipeline  int  // unanswered requests of one client, 1 to MaxPipeline; over 1 it needs KeepAlive

	Operations uint64        // of all clients together, shared out evenly; 0 is no limit
	Duration   time.Duration // of the measurement; 0 is no limit. One of the two must be set
	Warmup     time.Duration // before the measurement, not counted; needs Duration
	Preload    bool          // add every session before anything else, not counted
	Rate       float64       // operations per second, all clients together; 0 is as fast as answers come (closed loop)

	Mix              Mix
	Sessions         int           // of each client; at least Pipeline
	IDMin, IDMax     int           // bytes, MinIDLen to codec.MaxIDLen
	DataMin, DataMax int           // bytes, MinData to MaxData
	Timeout, TimeVar time.Duration // sessions live Timeout ± TimeVar, whole milliseconds, at most codec.MaxTimeout

	// Seed determines for each client the sequence of its operations: which, on which of its sessions, with which
	// request_uid, sizes, data and timeouts. In a closed loop with Operations it determines the whole run.
	Seed uint64
	// Salt goes into the bytes of the session IDs alone, so that a run that is repeated does not meet the sessions which
	// the one before left in the cache.
	Salt uint64

	Verify      Verify
	Lossy       bool          // the cache may forget sessions
	Slack       time.Duration // widens the window around an expiry at both ends, beside 200 ppm of the session's life
	AnswerLimit time.Duration // after which an answer counts as missing

	// SystemCalls makes a system call for each step of a connection, also where an io_uring could carry out many at once.
	SystemCalls bool

	Progress  *Progress // updated about every 10 ms; may be nil
	OnMeasure func()    // called on the loop's thread at the instant when the measurement starts; may be nil
	OnEnd     func()    // called there when all is answered, before the connections are closed; may be nil
}

// DefaultConfig returns the defaults of dc_test, without Address, Seed, Salt and Operations.
func DefaultConfig() Config {
	return Config{
		Clients:  1,
		Pipeline: 1,
		Mix:      DefaultMix(),
		Sessions: 10,
		IDMin:    10, IDMax: 63,
		DataMin: 50, DataMax: 2100,
		Timeout: 60 * time.Second, TimeVar: 5 * time.Second,
		Slack:       50 * time.Millisecond,
		AnswerLimit: 5 * time.Second,
	}
}

// DefaultOperations returns 10 · Sessions² for each client.
func (c *Config) DefaultOperations() uint64 {
	return 10 * uint64(c.Sessions) * uint64(c.Sessions) * uint64(c.Clients)
}

// Validate returns nil, or an error that wraps ErrConfig and names the first field that is wrong.
func (c *Config) Validate() error {
	for _, check := range []func() error{c.checkClients, c.checkLength, c.checkMix, c.checkSessions, c.checkLimits} {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	return nil
}

func (c *Config) checkClients() error {
	switch {
	case c.Address.Kind != address.Unix && c.Address.Kind != address.TCP:
		return fmt.Errorf("field Address: %v cannot be connected to", c.Address.Kind)
	case c.Clients < 1 || c.Clients > MaxClients:
		return fmt.Errorf("field Clients: %d is not from 1 to %d", c.Clients, MaxClients)
	case c.Pipeline < 1 || c.Pipeline > MaxPipeline:
		return fmt.Errorf("field Pipeline: %d is not from 1 to %d", c.Pipeline, MaxPipeline)
	case c.Pipeline > 1 && !c.KeepAlive:
		return fmt.Errorf("field Pipeline: %d needs KeepAlive", c.Pipeline)
	}
	return nil
}

func (c *Config) checkLength() error {
	switch {
	case c.Operations == 0 && c.Duration == 0:
		return fmt.Errorf("fields Operations and Duration: both are 0, so the run would not end")
	case c.Duration < 0 || c.Warmup < 0:
		return fmt.Errorf("fields Duration and Warmup: %v and %v, one is negative", c.Duration, c.Warmup)
	case c.Warmup > 0 && c.Duration == 0:
		return fmt.Errorf("field Warmup: %v needs Duration", c.Warmup)
	case math.IsNaN(c.Rate) || c.Rate < 0 || c.Rate > MaxRate:
		return fmt.Errorf("field Rate: %v is not from 0 to %d", c.Rate, MaxRate)
	}
	return nil
}

func (c *Config) checkMix() error {
	for _, weight := range []int{c.Mix.Add, c.Mix.Get, c.Mix.Remove, c.Mix.Have} {
		if weight < 0 || weight > maxWeight {
			return fmt.Errorf("field Mix: weight %d is not from 0 to %d", weight, maxWeight)
		}
	}
	if c.Mix.total() == 0 {
		return fmt.Errorf("field Mix: all weights are 0")
	}
	return nil
}

func (c *Config) checkSessions() error {
	switch {
	case c.Sessions < c.Pipeline:
		return fmt.Errorf("field Sessions: %d are fewer than the %d of Pipeline", c.Sessions, c.Pipeline)
	case c.Sessions > MaxSessions/c.Clients:
		return fmt.Errorf("field Sessions: %d for each of %d clients are over %d in all", c.Sessions, c.Clients, MaxSessions)
	case c.IDMin < MinIDLen || c.IDMax > codec.MaxIDLen || c.IDMin > c.IDMax:
		return fmt.Errorf("fields IDMin and IDMax: %d to %d is not within %d to %d", c.IDMin, c.IDMax, MinIDLen, codec.MaxIDLen)
	case c.DataMin < MinData || c.DataMax > MaxData || c.DataMin > c.DataMax:
		return fmt.Errorf("fields DataMin and DataMax: %d to %d is not within %d to %d", c.DataMin, c.DataMax, MinData, MaxData)
	}
	return nil
}

func (c *Config) checkLimits() error {
	switch {
	case c.TimeVar < 0 || c.Timeout < c.TimeVar || c.Timeout+c.TimeVar > codec.MaxTimeout:
		return fmt.Errorf("fields Timeout and TimeVar: %v ± %v is not within 0 to %v", c.Timeout, c.TimeVar, codec.MaxTimeout)
	case c.Slack < 0:
		return fmt.Errorf("field Slack: %v is negative", c.Slack)
	case c.AnswerLimit <= 0:
		return fmt.Errorf("field AnswerLimit: %v is not over 0", c.AnswerLimit)
	case c.Verify != VerifyFull && c.Verify != VerifyFrames:
		return fmt.Errorf("field Verify: %d is unknown", c.Verify)
	}
	return nil
}
