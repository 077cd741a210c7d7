package load

import (
	"distcache/bench/load/plan"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/codec/address"
)

func validConfig() plan.Config {
	c := plan.DefaultConfig()
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
		spoil func(*plan.Config)
		field string
	}{
		"no address":           {func(c *plan.Config) { c.Address = address.Address{} }, "Address"},
		"no clients":           {func(c *plan.Config) { c.Clients = 0 }, "Clients"},
		"too many clients":     {func(c *plan.Config) { c.Clients = plan.MaxClients + 1 }, "Clients"},
		"no pipeline":          {func(c *plan.Config) { c.Pipeline = 0 }, "Pipeline"},
		"pipeline of one":      {func(c *plan.Config) { c.Pipeline = 2 }, "Pipeline"},
		"endless":              {func(c *plan.Config) { c.Operations = 0 }, "Operations"},
		"negative duration":    {func(c *plan.Config) { c.Duration = -1 }, "Duration"},
		"warmup of a count":    {func(c *plan.Config) { c.Warmup = 1 }, "Warmup"},
		"negative rate":        {func(c *plan.Config) { c.Rate = -1 }, "Rate"},
		"no number":            {func(c *plan.Config) { c.Rate = math.NaN() }, "Rate"},
		"empty mix":            {func(c *plan.Config) { c.Mix = plan.Mix{} }, "Mix"},
		"negative weight":      {func(c *plan.Config) { c.Mix.Get = -1 }, "Mix"},
		"fewer than pipeline":  {func(c *plan.Config) { c.KeepAlive, c.Pipeline = true, 11 }, "Sessions"},
		"too many sessions":    {func(c *plan.Config) { c.Clients, c.Sessions = 1000, plan.MaxSessions/1000+1 }, "Sessions"},
		"short IDs":            {func(c *plan.Config) { c.IDMin = plan.MinIDLen - 1 }, "IDMin"},
		"long IDs":             {func(c *plan.Config) { c.IDMax = codec.MaxIDLen + 1 }, "IDMax"},
		"IDs upside down":      {func(c *plan.Config) { c.IDMin, c.IDMax = 20, 19 }, "IDMin"},
		"data of one byte":     {func(c *plan.Config) { c.DataMin = 1 }, "DataMin"},
		"data that do not fit": {func(c *plan.Config) { c.DataMax = plan.MaxData + 1 }, "DataMax"},
		"data upside down":     {func(c *plan.Config) { c.DataMin = 2101 }, "DataMin"},
		"negative life":        {func(c *plan.Config) { c.TimeVar = c.Timeout + 1 }, "TimeVar"},
		"too long a life":      {func(c *plan.Config) { c.Timeout = codec.MaxTimeout }, "Timeout"},
		"negative slack":       {func(c *plan.Config) { c.Slack = -1 }, "Slack"},
		"no limit":             {func(c *plan.Config) { c.AnswerLimit = 0 }, "AnswerLimit"},
		"odd verify":           {func(c *plan.Config) { c.Verify = 9 }, "Verify"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := validConfig()
			test.spoil(&c)
			err := c.Validate()
			if !errors.Is(err, plan.ErrConfig) || !strings.Contains(err.Error(), test.field) {
				t.Errorf("got %v, want one that wraps %v and names %s", err, plan.ErrConfig, test.field)
			}
			if _, runErr := Run(t.Context(), c); !errors.Is(runErr, plan.ErrConfig) {
				t.Errorf("Run: got %v, want the same", runErr)
			}
		})
	}
}

// TestLongestFits checks that the longest session with the longest ID fits a message.
func TestLongestFits(t *testing.T) {
	c := validConfig()
	c.IDMin, c.IDMax, c.DataMin, c.DataMax = codec.MaxIDLen, codec.MaxIDLen, plan.MaxData, plan.MaxData
	p := plan.New(&c)
	e := plan.Encoder{Plan: p, Protocol: plan.Distcache()}
	s := p.NewStream(0)
	o := p.Next(&s)
	o.Op = codec.OpAdd
	requests := codec.NewAssembler(codec.Request)
	if m, err := requests.Next(e.Append(nil, &plan.Pending{Operation: o})); err != nil || m.PayloadLen != codec.MaxPayload {
		t.Errorf("got a message of %d bytes and error %v, want %d", m.PayloadLen, err, codec.MaxPayload)
	}
}
