package load

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/codec/address"
)

func validConfig() Config {
	c := DefaultConfig()
	c.Address = address.Address{Kind: address.Unix, Path: "/nowhere"}
	c.Operations = c.DefaultOperations()
	return c
}

func TestDefaultsAreTheReferences(t *testing.T) {
	c := validConfig()
	if err := c.Validate(); err != nil {
		t.Fatalf("got %v, want the defaults to be valid", err)
	}
	if c.Operations != 1000 || c.Sessions != 10 || c.DataMin != 50 || c.DataMax != 2100 ||
		c.Timeout != time.Minute || c.TimeVar != 5*time.Second || c.KeepAlive || c.IDMin != 10 || c.IDMax != 63 {
		t.Errorf("got %+v, want 1000 operations on 10 sessions of 50 to 2100 bytes for 60 ± 5 s", c)
	}
}

func TestValidate(t *testing.T) {
	tests := map[string]struct {
		spoil func(*Config)
		field string
	}{
		"no address":           {func(c *Config) { c.Address = address.Address{} }, "Address"},
		"no clients":           {func(c *Config) { c.Clients = 0 }, "Clients"},
		"too many clients":     {func(c *Config) { c.Clients = MaxClients + 1 }, "Clients"},
		"no pipeline":          {func(c *Config) { c.Pipeline = 0 }, "Pipeline"},
		"pipeline of one":      {func(c *Config) { c.Pipeline = 2 }, "Pipeline"},
		"endless":              {func(c *Config) { c.Operations = 0 }, "Operations"},
		"negative duration":    {func(c *Config) { c.Duration = -1 }, "Duration"},
		"warmup of a count":    {func(c *Config) { c.Warmup = 1 }, "Warmup"},
		"negative rate":        {func(c *Config) { c.Rate = -1 }, "Rate"},
		"no number":            {func(c *Config) { c.Rate = math.NaN() }, "Rate"},
		"empty mix":            {func(c *Config) { c.Mix = Mix{} }, "Mix"},
		"negative weight":      {func(c *Config) { c.Mix.Get = -1 }, "Mix"},
		"fewer than pipeline":  {func(c *Config) { c.KeepAlive, c.Pipeline = true, 11 }, "Sessions"},
		"too many sessions":    {func(c *Config) { c.Clients, c.Sessions = 1000, MaxSessions/1000+1 }, "Sessions"},
		"short IDs":            {func(c *Config) { c.IDMin = MinIDLen - 1 }, "IDMin"},
		"long IDs":             {func(c *Config) { c.IDMax = codec.MaxIDLen + 1 }, "IDMax"},
		"IDs upside down":      {func(c *Config) { c.IDMin, c.IDMax = 20, 19 }, "IDMin"},
		"data of one byte":     {func(c *Config) { c.DataMin = 1 }, "DataMin"},
		"data that do not fit": {func(c *Config) { c.DataMax = MaxData + 1 }, "DataMax"},
		"data upside down":     {func(c *Config) { c.DataMin = 2101 }, "DataMin"},
		"negative life":        {func(c *Config) { c.TimeVar = c.Timeout + 1 }, "TimeVar"},
		"too long a life":      {func(c *Config) { c.Timeout = codec.MaxTimeout }, "Timeout"},
		"negative slack":       {func(c *Config) { c.Slack = -1 }, "Slack"},
		"no limit":             {func(c *Config) { c.AnswerLimit = 0 }, "AnswerLimit"},
		"odd verify":           {func(c *Config) { c.Verify = 9 }, "Verify"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := validConfig()
			test.spoil(&c)
			err := c.Validate()
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), test.field) {
				t.Errorf("got %v, want one that wraps %v and names %s", err, ErrConfig, test.field)
			}
			if _, runErr := Run(t.Context(), c); !errors.Is(runErr, ErrConfig) {
				t.Errorf("Run: got %v, want the same", runErr)
			}
		})
	}
}

// TestLongestFits checks that the longest session with the longest ID fits a message.
func TestLongestFits(t *testing.T) {
	c := validConfig()
	c.IDMin, c.IDMax, c.DataMin, c.DataMax = codec.MaxIDLen, codec.MaxIDLen, MaxData, MaxData
	p := newPlan(&c)
	e := encoder{plan: p, protocol: Distcache()}
	s := p.newStream(0)
	o := p.next(&s)
	o.op = codec.OpAdd
	requests := codec.NewAssembler(codec.Request)
	if m, err := requests.Next(e.append(nil, &pending{operation: o})); err != nil || m.PayloadLen != codec.MaxPayload {
		t.Errorf("got a message of %d bytes and error %v, want %d", m.PayloadLen, err, codec.MaxPayload)
	}
}
