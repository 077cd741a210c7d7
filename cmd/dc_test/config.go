package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"time"

	"distcache/bench/load/plan"
	"distcache/codec"
	"distcache/codec/address"
	"distcache/internal/credentials"
	"distcache/internal/daemon/options"
	"distcache/internal/version"
)

const (
	program = "dc_test"

	defaultConnect = "UNIX:/tmp/scache" // where dc_client listens by default
	maxSeconds     = int(codec.MaxTimeout / time.Second)
	maxRun         = 365 * 24 * time.Hour
)

// config is the command line, parsed.
type config struct {
	load     plan.Config
	to       address.Address // of -connect; load has that of a relay where it is a TLS address
	progress int             // operations between two lines of progress; 0: by time
	json     string          // the file of the report; "" is none
	ping     bool            // ask once, instead of a test
	stats    address.Address // of -metrics of a daemon, whose figures are printed instead of a test

	hosts      []string // of -tls, which is done instead of a test
	servername string   // for -tls; "": the first host

	tls         credentials.Flags
	credentials *credentials.Credentials // nil: no TLS

	timeout, timevar int // seconds
	rate             int
}

func (c *config) flags() *options.Set {
	c.load = plan.DefaultConfig()
	s := options.New(program, "[options]",
		"Sends random operations to a distcache service (dc_client or dc_server), checks every byte of every answer, and "+
			"measures. It knows which sessions the service must hold. The first wrong answer ends the test with exit code 1, "+
			"and the exchange goes to standard error in hex.")
	c.referenceFlags(s)
	c.loadFlags(s)
	c.checkFlags(s)
	c.tls.DeclareClient(s)
	s.Version(version.Text(program))
	return s
}

// referenceFlags are the flags of the reference's tool, with the same meaning.
func (c *config) referenceFlags(s *options.Set) {
	s.Func("connect", "address", defaultConnect, "The service: UNIX:/path, IP:host:port or TLS:host:port.", func(text string) (err error) {
		c.to, err = address.ParseSecureConnect(text)
		return err
	})
	s.Bool(&c.ping, "ping", "Ask once whether the service answers, and exit with 0 if so, else with 1. It stores nothing. "+
		"Of the other flags only -connect, -wait and those for TLS: addresses matter.")
	s.Func("stats", "address", "", "Do not test. Print the figures of the daemon with this -metrics address: IP:host:port or "+
		"UNIX:/path. Of the other flags only -wait matters.", func(text string) (err error) {
		c.stats, err = address.ParseConnect(text)
		return err
	})
	s.Func("tls", "hosts", "", "Do not test the cache. Find out whether TLS servers resume each other's sessions: host1:443,host2:443. "+
		"Exit with 0 if so. Of the other flags only -servername, -tlsca and -wait matter.", func(text string) (err error) {
		c.hosts, err = parseHosts(text)
		return err
	})
	s.String(&c.servername, "servername", "name", "", "Server name to send to the hosts of -tls (SNI), instead of the first host.")
	s.Int(&c.progress, "progress", "operations", 0, 0, math.MaxInt32,
		"Report progress after this many operations. 0: every few seconds, or as a bar on a terminal.")
	s.Int(&c.load.Sessions, "sessions", "number", c.load.Sessions, 1, plan.MaxSessions, "Sessions per client.")
	s.Int(&c.load.DataMin, "datamin", "bytes", c.load.DataMin, plan.MinData, plan.MaxData, "Shortest session.")
	s.Int(&c.load.DataMax, "datamax", "bytes", c.load.DataMax, plan.MinData, plan.MaxData, "Longest session.")
	s.Int(&c.timeout, "timeout", "secs", int(c.load.Timeout/time.Second), 0, maxSeconds, "Time after which sessions expire.")
	s.Int(&c.timevar, "timevar", "secs", int(c.load.TimeVar/time.Second), 0, maxSeconds,
		"Vary the timeout of each session by up to this much, up or down.")
	s.Func("ops", "number", "", "Total number of operations. By default 10*sessions*sessions for each client, or no limit with "+
		"-duration.", number(&c.load.Operations, 1))
	s.Bool(&c.load.KeepAlive, "persistent", "Keep each client's connection open. Without this flag each operation makes a new one.")
}

// loadFlags set the size and the mix of the load.
func (c *config) loadFlags(s *options.Set) {
	s.Int(&c.load.Clients, "clients", "number", c.load.Clients, 1, plan.MaxClients, "Clients that send requests at the same time.")
	s.Int(&c.load.Pipeline, "pipeline", "number", c.load.Pipeline, 1, plan.MaxPipeline,
		"Requests in flight per client. More than 1 implies -persistent.")
	s.Func("duration", "time", "", "Length of the measurement, such as 90, 90s or 1m30s.", duration(&c.load.Duration))
	s.Func("warmup", "time", "", "Run this long before the measurement starts. Needs -duration.", duration(&c.load.Warmup))
	s.Int(&c.rate, "rate", "number", 0, 0, plan.MaxRate,
		"Start this many operations per second, whether or not answers come. Latency counts from the time when an "+
			"operation was due. 0: each client sends its next request when it has its answer.")
	s.Func("mix", "mix", plan.DefaultMix().String(), "Shares of the operations, as add:get:remove:have. Or tls12 or "+
		"tls13: the load of a TLS terminator without tickets, where every ADD stores a new session, with IDs and data of "+
		"the usual size.", func(text string) (err error) {
		c.load.Mix, err = plan.ParseMix(text)
		return err
	})
	s.Bool(&c.load.Preload, "preload", "Add all sessions before the measurement starts.")
	s.Func("seed", "number", "", "Repeat the run with this seed: the same operations, sizes and data. "+
		"Random by default, and printed.", number(&c.load.Seed, 0))
	s.Func("salt", "number", "", "Change only the session IDs, so that a repeated run does not meet the sessions of the "+
		"run before. Random by default, and printed.", number(&c.load.Salt, 0))
	s.String(&c.json, "json", "file", "", "Write all figures, histograms and settings to this file.")
}

// checkFlags set which answers are wrong.
func (c *config) checkFlags(s *options.Set) {
	s.Bool(&c.load.Lossy, "lossy", "Allow the cache to lose sessions and to be unavailable: count lost sessions, failures and "+
		"missing answers, and go on. Wrong data, and sessions that must not be there, still end the test.")
	s.Millis(&c.load.Slack, "slack", c.load.Slack, 0, time.Hour,
		"Tolerance before and after the expiry of a session, in addition to the time that requests take.")
	s.Millis(&c.load.AnswerLimit, "wait", c.load.AnswerLimit, time.Millisecond, time.Hour,
		"Longest time to wait for an answer.")
	s.Func("verify", "full|frames", plan.VerifyFull.String(), "frames checks only that each request gets one well-formed "+
		"answer of its own, for services that store nothing.", c.setVerify)
}

func (c *config) setVerify(text string) error {
	for _, v := range []plan.Verify{plan.VerifyFull, plan.VerifyFrames} {
		if text == v.String() {
			c.load.Verify = v
			return nil
		}
	}
	return fmt.Errorf("%q is neither full nor frames", text)
}

// complete sets the values that follow from other flags. It returns an error for flags that contradict each other.
func (c *config) complete(s *options.Set) error {
	l := &c.load
	l.Timeout, l.TimeVar = time.Duration(c.timeout)*time.Second, time.Duration(c.timevar)*time.Second
	l.Rate = float64(c.rate)
	l.KeepAlive = l.KeepAlive || l.Pipeline > 1
	if l.Mix.Fresh {
		c.completeTLS(s)
	}
	if l.Address = c.to; c.to.Kind == address.TLS {
		c.credentials = credentials.New(c.tls, c.to.Host)
		l.Address = address.Address{Kind: address.Unix} // startRelay knows the path
	}
	if c.hosts != nil || c.servername != "" {
		return c.completeSharing()
	}
	if err := c.tls.Validate("connect", c.to.Kind == address.TLS, false); err != nil {
		return err
	}
	if err := c.contradiction(); err != nil {
		return err
	}
	if !s.Given("ops") && l.Duration == 0 {
		l.Operations = l.DefaultOperations()
	}
	if !s.Given("seed") {
		l.Seed = uint64(rand.Uint32())
	}
	if !s.Given("salt") {
		l.Salt = uint64(rand.Uint32())
	}
	if err := l.Validate(); err != nil {
		return &options.UsageError{Reason: err.Error()}
	}
	return nil
}

// completeSharing checks what goes with -tls.
func (c *config) completeSharing() error {
	t := c.tls
	t.CA = ""
	switch {
	case c.hosts == nil:
		return &options.UsageError{Flag: "servername", Reason: "needs -tls"}
	case c.ping || c.stats.Kind != 0:
		return &options.UsageError{Flag: "tls", Reason: "does not go with -ping and -stats"}
	case c.to.Kind == address.TLS:
		return &options.UsageError{Flag: "tls", Reason: "does not go with -connect"}
	}
	return t.Validate("connect", false, false)
}

func (c *config) completeTLS(s *options.Set) {
	c.load.IDMin, c.load.IDMax = plan.TLSIDLen, plan.TLSIDLen
	if !s.Given("datamin") {
		c.load.DataMin = plan.TLSDataMin
	}
	if !s.Given("datamax") {
		c.load.DataMax = plan.TLSDataMax
	}
}

// contradiction returns a *options.UsageError for flags that are valid alone and not together.
func (c *config) contradiction() error {
	l := &c.load
	wrong := func(flag string, value any, reason string) error {
		text := fmt.Sprint(value)
		return &options.UsageError{Flag: flag, Value: text, Reason: fmt.Sprintf("%q %s", text, reason)}
	}
	switch {
	case l.DataMin > l.DataMax:
		return wrong("datamin", l.DataMin, fmt.Sprintf("is over the -datamax of %d", l.DataMax))
	case l.TimeVar > l.Timeout:
		return wrong("timevar", c.timevar, fmt.Sprintf("is over the -timeout of %d", c.timeout))
	case l.Timeout+l.TimeVar > codec.MaxTimeout:
		return wrong("timevar", c.timevar, fmt.Sprintf("and the -timeout of %d are over %d together", c.timeout, maxSeconds))
	case l.Sessions < l.Pipeline:
		return wrong("pipeline", l.Pipeline, fmt.Sprintf("is over the -sessions of %d: requests that are open together "+
			"must be about different sessions", l.Sessions))
	case l.Sessions > plan.MaxSessions/l.Clients:
		return wrong("sessions", l.Sessions, fmt.Sprintf("for each of %d clients are over %d", l.Clients, plan.MaxSessions))
	case c.ping && c.stats.Kind != 0:
		return &options.UsageError{Flag: "stats", Reason: "does not go with -ping"}
	case l.Warmup > 0 && l.Duration == 0:
		return wrong("warmup", l.Warmup, "needs -duration")
	}
	return nil
}

// number reads a decimal number of 64 bits, at least lowest.
func number(p *uint64, lowest uint64) func(string) error {
	return func(text string) error {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil || n < lowest {
			return fmt.Errorf("%q is not a whole number from %d to %d", text, lowest, uint64(math.MaxUint64))
		}
		*p = n
		return nil
	}
}

// duration reads seconds, or a number with a unit.
func duration(p *time.Duration) func(string) error {
	return func(text string) error {
		d, err := time.ParseDuration(text)
		if err != nil {
			d, err = time.ParseDuration(text + "s")
		}
		if err != nil || d < time.Millisecond || d > maxRun {
			return fmt.Errorf("%q is not a time from 1ms to %v", text, maxRun)
		}
		*p = d
		return nil
	}
}
