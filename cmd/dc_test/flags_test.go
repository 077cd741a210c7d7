package main

import (
	"strings"
	"testing"
)

func TestUsageErrors(t *testing.T) {
	long := strings.Repeat("x", 108)
	tests := map[string]struct {
		args []string
		want string // in the one line
	}{
		"unknown flag":         {[]string{"-server", "IP:h:1"}, "-server: "},
		"bad address":          {[]string{"-connect", "IP:9001"}, `-connect: bad address "IP:9001"`},
		"long path":            {[]string{"-connect", "UNIX:/" + long}, "-connect: "},
		"TLS":                  {[]string{"-connect", "TLS:h:1"}, "-connect: "},
		"no sessions":          {[]string{"-sessions", "0"}, `-sessions: "0" is not a whole number from 1`},
		"negative":             {[]string{"-ops", "-1"}, `-ops: `},
		"no operations":        {[]string{"-ops", "0"}, `-ops: "0" is not a whole number from 1`},
		"exponent":             {[]string{"-ops", "1e3"}, `-ops: "1e3"`},
		"too short data":       {[]string{"-datamin", "1"}, `-datamin: "1" is not a whole number from 2 to 32696`},
		"too long data":        {[]string{"-datamax", "32697"}, `-datamax: "32697"`},
		"data upside down":     {[]string{"-datamin", "60", "-datamax", "59"}, `-datamin: "60" is over the -datamax of 59`},
		"data of the mix":      {[]string{"-datamin", "500", "-mix", "tls12"}, `-datamin: "500" is over the -datamax of 172`},
		"long life":            {[]string{"-timeout", "604801"}, `-timeout: "604801"`},
		"long life with var":   {[]string{"-timeout", "604800"}, `-timevar: "5" and the -timeout of 604800`},
		"timevar over timeout": {[]string{"-timeout", "4"}, `-timevar: "5" is over the -timeout of 4`},
		"no clients":           {[]string{"-clients", "0"}, `-clients: "0"`},
		"bad mix":              {[]string{"-mix", "1:2:3"}, `-mix: bad mix: "1:2:3"`},
		"bad duration":         {[]string{"-duration", "soon"}, `-duration: "soon" is not a time`},
		"no duration":          {[]string{"-duration", "0"}, `-duration: "0" is not a time`},
		"warmup alone":         {[]string{"-warmup", "1s"}, `-warmup: "1s" needs -duration`},
		"pipeline":             {[]string{"-pipeline", "11"}, `-pipeline: "11" is over the -sessions of 10`},
		"too many in all":      {[]string{"-clients", "1000", "-sessions", "100001"}, `-sessions: "100001" for each of 1000`},
		"negative rate":        {[]string{"-rate", "-5"}, `-rate: `},
		"bad seed":             {[]string{"-seed", "x"}, `-seed: "x" is not a whole number from 0 to 18446744073709551615`},
		"bad verify":           {[]string{"-verify", "some"}, `-verify: "some" is neither full nor frames`},
		"bad wait":             {[]string{"-wait", "0"}, `-wait: "0"`},
		"bad slack":            {[]string{"-slack", "1s"}, `-slack: "1s"`},
		"argument":             {[]string{"extra"}, `"extra"`},
		"twice":                {[]string{"-ops", "1", "-ops", "2"}, "-ops: is given twice"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := tool(test.args...)
			if code != 2 || stdout != "" {
				t.Errorf("got exit code %d and %q on stdout, want 2 and nothing", code, stdout)
			}
			if !strings.HasPrefix(stderr, "dc_test: ") || !strings.Contains(stderr, test.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("got %q, want one line with %q", stderr, test.want)
			}
		})
	}
}

func TestHelpWinsOverAll(t *testing.T) {
	for _, help := range []string{"-h", "-help", "-?", "--help"} {
		code, stdout, stderr := tool("-sessions", "none", help, "-nonsense")
		if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "Usage: dc_test ") {
			t.Errorf("%s: got exit code %d, %q and %q, want 0 and the usage text", help, code, stdout, stderr)
		}
	}
	_, stdout, _ := tool("-h")
	for _, flag := range []string{"-connect address", "-progress operations", "-sessions number", "-datamin bytes", "-datamax bytes",
		"-timeout secs", "-timevar secs", "-ops number", "-persistent", "-clients number", "-duration time", "-rate number", "-mix mix",
		"-json file", "-seed number", "-lossy", "-version"} {
		if !strings.Contains(stdout, "\n  "+flag) {
			t.Errorf("got no %q in the usage text", flag)
		}
	}
}

func TestVersion(t *testing.T) {
	code, stdout, stderr := tool("-version")
	if code != 0 || stderr != "" || !strings.HasPrefix(stdout, "dc_test ") || !strings.Contains(stdout, "protocol 0x11") {
		t.Errorf("got exit code %d, %q and %q, want 0 and the version", code, stdout, stderr)
	}
}
