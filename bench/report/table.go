package main

import (
	"strings"
	"unicode/utf8"
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
