package plan

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"distcache/codec"
)

// Fault is the kind of a Violation.
type Fault string

// The faults.
const (
	FaultFound     Fault = "found what must not be there"
	FaultLost      Fault = "did not find what must be there"
	FaultData      Fault = "other data"
	FaultUID       Fault = "answer to another request"
	FaultOperation Fault = "answer to another operation"
	FaultStatus    Fault = "answer that the operation cannot have"
	FaultCorrupt   Fault = "corrupt answer"
	FaultMissing   Fault = "no answer"
	FaultSecond    Fault = "second answer"
)

// Finding is what the loop knows of a violation at first.
type Finding struct {
	Kind   Fault
	Reason string
}

// Violation is an answer that cannot be right, or is missing: the error that ends a run. It holds the whole exchange.
type Violation struct {
	Fault  Fault
	Reason string // one line, with the figures

	Client     uint32 // which of the run's clients, from 0
	Index      uint64 // which of its operations, from 0
	Op         codec.Op
	UID        uint32
	ID         []byte        // of the session
	Sent, Read time.Duration // after the run's start: when the request was begun, when the fault was seen
	Request    []byte        // as sent
	Answer     []byte        // what was received of the answer, and what is behind it in the same read
	Seed, Salt uint64

	Protocol Protocol
}

// Error returns one line.
func (v *Violation) Error() string {
	return fmt.Sprintf("%s: %s (%v, request_uid 0x%08x, operation %d of client %d)",
		v.Fault, v.Reason, v.Op, v.UID, v.Index, v.Client)
}

// Dump writes the exchange: what is wrong, the decoded fields, and both sides in hex.
func (v *Violation) Dump(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "violation   %s\n", v.Fault)
	fmt.Fprintf(&b, "reason      %s\n", v.Reason)
	fmt.Fprintf(&b, "operation   %v, number %d of client %d\n", v.Op, v.Index, v.Client)
	fmt.Fprintf(&b, "session ID  %x (%d bytes)\n", v.ID, len(v.ID))
	fmt.Fprintf(&b, "time        sent %v after the start, seen %v later\n", v.Sent, v.Read-v.Sent)
	fmt.Fprintf(&b, "seed        %d, salt %d\n", v.Seed, v.Salt)
	v.dumpBytes(&b, "request", v.Request, codec.Request)
	v.dumpBytes(&b, "answer", v.Answer, codec.Response)
	_, err := io.WriteString(w, b.String())
	return err
}

// maxDump is how much of one side is written in hex, in bytes.
const maxDump = 4096

func (v *Violation) dumpBytes(b *strings.Builder, title string, wire []byte, direction codec.Direction) {
	fmt.Fprintf(b, "%s, %d bytes\n", title, len(wire))
	for _, line := range v.Protocol.Describe(wire, direction) {
		b.WriteString("  " + line + "\n")
	}
	shown := wire[:min(len(wire), maxDump)]
	for _, line := range strings.SplitAfter(hex.Dump(shown), "\n") {
		if line != "" {
			b.WriteString("  " + line)
		}
	}
	if len(wire) > maxDump {
		fmt.Fprintf(b, "  … and %d bytes more\n", len(wire)-maxDump)
	}
}
