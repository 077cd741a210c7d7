package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"distcache/bench/stat"
)

// table is one in Markdown. The first column is text, the others are figures.
type table struct {
	rows [][]string // the first one is the head
}

func newTable(head ...string) *table { return &table{rows: [][]string{head}} }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// String pads the columns, so that the source reads as a table too.
func (t *table) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, c := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(c), 3)
		}
	}
	var b strings.Builder
	for i, row := range t.rows {
		t.write(&b, row, widths, " ")
		if i == 0 {
			t.write(&b, rule(widths), widths, "")
		}
	}
	return b.String()
}

func (t *table) write(b *strings.Builder, row []string, widths []int, margin string) {
	b.WriteByte('|')
	for i, c := range row {
		pad := strings.Repeat(" ", widths[i]-min(widths[i], utf8.RuneCountInString(c)))
		if margin == "" {
			pad = ""
		}
		if i == 0 {
			b.WriteString(margin + c + pad + margin + "|")
		} else {
			b.WriteString(margin + pad + c + margin + "|")
		}
	}
	b.WriteByte('\n')
}

// rule is the line under the head: figures stand to the right.
func rule(widths []int) []string {
	var cells []string
	for i, w := range widths {
		line := strings.Repeat("-", w+2)
		if i > 0 {
			line = line[1:] + ":"
		}
		cells = append(cells, line)
	}
	return cells
}

// absent stands for what was not measured.
const absent = "–"

// number writes v with three significant digits, or all those before the point, in groups of three.
func number(v float64) string {
	digits := 0
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(math.Abs(v), 'g', 3, 64), 64) // 9.996 counts as 10.0
	if rounded > 0 && rounded < 100 {
		digits = min(3, 2-int(math.Floor(math.Log10(rounded))))
	}
	return fixed(v, digits)
}

// fixed writes v with so many digits behind the point.
func fixed(v float64, digits int) string { return grouped(strconv.FormatFloat(v, 'f', digits, 64)) }

// grouped puts commas between the thousands.
func grouped(text string) string {
	whole, fraction, point := strings.Cut(text, ".")
	sign := ""
	if strings.HasPrefix(whole, "-") {
		sign, whole = "-", whole[1:]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if point {
		return sign + whole + "." + fraction
	}
	return sign + whole
}

func count(n int) string { return grouped(strconv.Itoa(n)) }

// median writes the median of the rounds.
func median(r stat.Rounds) string {
	s := r.Spread()
	if s.N == 0 {
		return absent
	}
	return number(s.Median)
}

// spread writes the median and, of several rounds, the lowest and the highest.
func spread(r stat.Rounds) string {
	s := r.Spread()
	if s.N < 2 {
		return median(r)
	}
	return fmt.Sprintf("%s (%s–%s)", number(s.Median), number(s.Low), number(s.High))
}

// ratio writes the median of a ratio.
func ratio(s stat.Spread) string {
	if s.N == 0 {
		return absent
	}
	return fmt.Sprintf("%.2f", s.Median)
}

// times writes the median of a ratio as a factor.
func times(s stat.Spread) string {
	if s.N == 0 {
		return absent
	}
	return ratio(s) + "×"
}

// plural writes a number of things.
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + one + "s"
}
