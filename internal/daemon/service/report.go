package service

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// The child's reports are lines on a pipe: a kind, a space, the text in Go's quotes. "ready" or "failed" is the last one.
const (
	reportWarning = "warning"
	reportReady   = "ready"
	reportFailed  = "failed"
)

// reportTextMax is the greatest length of a report's text in bytes; a longer one is cut, so that a line always fits the
// reader's buffer and a write never waits.
const reportTextMax = 2000

// appendReport appends one line to b.
func appendReport(b []byte, kind, text string) []byte {
	text = text[:min(len(text), reportTextMax)]
	b = append(b, kind...)
	b = append(b, ' ')
	b = strconv.AppendQuote(b, text)
	return append(b, '\n')
}

// outcome is what a child made known: err is nil when it is ready, ErrSilent when it ended before it said so.
type outcome struct {
	warnings []string
	err      error
}

// readReports reads up to the last report or the end of r.
func readReports(r io.Reader) outcome {
	var o outcome
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		kind, text, err := parseReport(lines.Text())
		switch {
		case err != nil:
			o.err = err
			return o
		case kind == reportReady:
			return o
		case kind == reportFailed:
			o.err = errors.New(text)
			return o
		}
		o.warnings = append(o.warnings, text)
	}
	o.err = ErrSilent
	return o
}

// parseReport splits one line; anything that appendReport does not write is an error.
func parseReport(line string) (kind, text string, err error) {
	kind, quoted, _ := strings.Cut(line, " ")
	switch kind {
	case reportWarning, reportReady, reportFailed:
	default:
		return "", "", fmt.Errorf("unknown report %q of the daemon", line)
	}
	if text, err = strconv.Unquote(quoted); err != nil {
		return "", "", fmt.Errorf("report %q of the daemon: %w", line, err)
	}
	return kind, text, nil
}
