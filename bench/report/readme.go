package main

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"distcache/bench/record"
)

// The marks around the block of figures in README.md.
const (
	blockBegin = "<!-- numbers -->"
	blockEnd   = "<!-- /numbers -->"
)

// errNoBlock is returned when README.md has no place for the figures.
var errNoBlock = errors.New("no line " + blockBegin)

// summary is the block of figures for README.md: the main plot, and tables.
func summary(f *figures, results, out string) string {
	var b strings.Builder
	r := f.run
	directory := filepath.ToSlash(out)
	fmt.Fprintf(&b, "%s, %s, %s, %s; `%s`, medians of %s; %s. Raw figures in [%s](%s), everything in [%s](%s).\n\n",
		r.Machine.CPU, plural(r.Machine.Cores, "core"), r.Machine.Kernel, versions(r), makeCommand(r),
		plural(r.Rounds, "round"), rest(f),
		filepath.Base(results), filepath.ToSlash(results), reportName, path.Join(directory, reportName))
	if len(f.targets(record.Proxy)) > 0 {
		fmt.Fprintf(&b, "![CPU per operation against the number of short-lived clients](%s)\n\n",
			path.Join(directory, plotDirectory, plotShort))
		b.WriteString(aboutSummary + summaryTable(f, false).String() + "\n" + summaryTable(f, true).String() + "\n")
	}
	if text := conclusion(busyRatios(f), pacedRatios(f)); text != "" {
		b.WriteString(text + "\n")
	}
	if len(f.targets(record.Store)) > 0 {
		b.WriteString("The stores over one pipelined connection, sessions of 32 + 180 bytes:\n\n" + storeSummary(f).String() + "\n")
	}
	return b.String()
}

func makeCommand(r *record.Run) string {
	if r.Form == "quick" {
		return "make bench-quick"
	}
	return "make bench"
}

func summaryTable(f *figures, keepAlive bool) *table {
	return clientTable(f, keepAlive, func(target string, clients int) string {
		text := median(f.cpu(proxyCell(target, clients, keepAlive)))
		if target == floor || text == absent {
			return text
		}
		return text + " (" + times(overFloor(f, target, clients, keepAlive)) + ")"
	})
}

func storeSummary(f *figures) *table {
	sizes := f.sessions(record.Store)
	head := []string{"store"}
	for _, n := range sizes {
		head = append(head, "GET hit us, "+count(n))
	}
	largest := sizes[len(sizes)-1]
	t := newTable(append(head, "bytes per session, "+count(largest))...)
	for _, target := range f.targets(record.Store) {
		row := []string{target}
		for _, n := range sizes {
			row = append(row, median(f.cpu(storeCell(target, n, record.Hit))))
		}
		t.add(append(row, median(f.perSession(target, largest)))...)
	}
	return t
}

// updateReadme replaces the block in the file.
func updateReadme(name, block string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text, err := replaceBlock(string(b), block)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(name, []byte(text), 0o666)
}

// replaceBlock puts the block between the marks, and adds the second mark when only the first is there.
func replaceBlock(text, block string) (string, error) {
	before, rest, ok := strings.Cut(text, blockBegin)
	if !ok {
		return "", errNoBlock
	}
	if _, after, ok := strings.Cut(rest, blockEnd); ok {
		rest = after
	}
	return before + blockBegin + "\n" + strings.TrimRight(block, "\n") + "\n" + blockEnd + rest, nil
}
