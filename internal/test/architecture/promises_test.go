package architecture

import (
	"fmt"
	"regexp"
	"strings"
)

// chapters are the letters of the catalogue of faults, and how many cases each has.
var chapters = []struct {
	letter string
	cases  int
}{{"H", 26}, {"U", 24}, {"R", 15}, {"O", 26}, {"N", 18}, {"T", 9}, {"V", 15}, {"K", 14}, {"F", 21}, {"D", 12}}

// promise is a row of docs/RELIABILITY.md: | ID | Promise | Tests |.
type promise struct {
	id, text string
	tests    []string // directory.TestName
	without  string   // why there is none: "none: …" or "open: …"
}

var (
	promiseID   = regexp.MustCompile(`^[A-Z]\d\d$`)
	namedTest   = regexp.MustCompile("^`([\\w./-]+\\.(?:Test|Fuzz|Benchmark)\\w*)`(?: \\(make faults\\))?$")
	escapedPipe = strings.NewReplacer(`\|`, "\x00")
)

// readPromises finds the rows in the document, and what is wrong with their form.
func readPromises(document string) (rows []promise, faults []string) {
	for line := range strings.Lines(document) {
		cells := strings.Split(strings.Trim(escapedPipe.Replace(strings.TrimSpace(line)), "|"), "|")
		for i, cell := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cell, "\x00", "|"))
		}
		if !promiseID.MatchString(cells[0]) || !strings.HasPrefix(line, "|") {
			continue
		}
		if len(cells) != 3 {
			faults = append(faults, fmt.Sprintf("%s: got %d columns, want ID, Promise and Tests", cells[0], len(cells)))
			continue
		}
		row, err := readPromise(cells)
		if err != nil {
			faults = append(faults, err.Error())
		}
		rows = append(rows, row)
	}
	return rows, faults
}

func readPromise(cells []string) (promise, error) {
	row := promise{id: cells[0], text: cells[1]}
	if row.text == "" {
		return row, fmt.Errorf("%s promises nothing", row.id)
	}
	if reason, found := reasonWithout(cells[2]); found {
		row.without = cells[2]
		if reason == "" {
			return row, fmt.Errorf("%s gives no reason after %q", row.id, cells[2])
		}
		return row, nil
	}
	for item := range strings.SplitSeq(cells[2], ",") {
		found := namedTest.FindStringSubmatch(strings.TrimSpace(item))
		if found == nil {
			return row, fmt.Errorf("%s: %q is neither `directory.TestName` in backquotes, nor begins with none: or open:", row.id, item)
		}
		row.tests = append(row.tests, found[1])
	}
	return row, nil
}

// reasonWithout reads why a promise has no test.
func reasonWithout(cell string) (reason string, found bool) {
	for _, word := range []string{"none:", "open:"} {
		if rest, found := strings.CutPrefix(cell, word); found {
			return strings.TrimSpace(rest), true
		}
	}
	return "", false
}

// promiseFaults tells what is wrong with the rows: each case of the catalogue once, each
// test in the directory that is named. tests has directory.TestName of the whole module.
func promiseFaults(rows []promise, tests map[string]bool) (faults []string) {
	seen := map[string]int{}
	for _, row := range rows {
		seen[row.id]++
		for _, name := range row.tests {
			if !tests[name] {
				faults = append(faults, fmt.Sprintf("%s names %s, and there is no such test", row.id, name))
			}
		}
	}
	for _, chapter := range chapters {
		for n := range chapter.cases {
			id := fmt.Sprintf("%s%02d", chapter.letter, n+1)
			if seen[id] != 1 {
				faults = append(faults, fmt.Sprintf("%s is there %d times, want once", id, seen[id]))
			}
			delete(seen, id)
		}
	}
	for id := range seen {
		faults = append(faults, id+" is no case of the catalogue")
	}
	return faults
}
