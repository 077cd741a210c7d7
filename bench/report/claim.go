package main

import (
	"fmt"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// aboutClaim introduces the ratios to twemproxy. Why there are two: bench/NOTES.md, "Two tools, two ratios".
const aboutClaim = "CPU of dc_client over that of twemproxy, of the same round. Clients that ask as fast as answers come keep the proxy " +
	"busy, so that requests gather in it; where they do not (a given rate below saturation, or a load tool that is slower " +
	"than the proxy), each request pays more of a turn of the loop, and dc_client has less of an advantage or none:\n\n"

// claim has the ratios of both ways to ask, or is "" when either was not measured. Its last sentence is the conclusion.
func claim(f *figures) string {
	busy, paced := busyRatios(f), pacedRatios(f)
	last := conclusion(busy, paced)
	if last == "" {
		return ""
	}
	return aboutClaim + busy.table("short-lived clients, as fast as answers come").String() + "\n" +
		paced.table("operations a second, asked for").String() + "\n" + last
}

// conclusion is the more modest one of the two, or "" when either was not measured.
func conclusion(busy, paced *ratios) string {
	if len(busy.columns) == 0 || len(paced.columns) == 0 {
		return ""
	}
	modest, better := stat.Of(paced.medians()), stat.Of(busy.medians())
	if better.Median > modest.Median {
		modest = better
	}
	all := append(busy.medians(), paced.medians()...)
	return fmt.Sprintf("With short-lived clients and at fixed rates, dc_client takes %.2f times the CPU time of twemproxy in the median, "+
		"and %.2f times at worst (%s).\n",
		modest.Median, stat.Of(all).High, worstOf(busy, paced))
}

// ratios are those of dc_client to twemproxy in a row of cells.
type ratios struct {
	unit    string // of the columns
	columns []string
	spreads []stat.Spread
}

func (r *ratios) add(column string, s stat.Spread) {
	if s.N > 0 {
		r.columns, r.spreads = append(r.columns, column), append(r.spreads, s)
	}
}

func (r *ratios) medians() []float64 {
	var all []float64
	for _, s := range r.spreads {
		all = append(all, s.Median)
	}
	return all
}

func (r *ratios) table(title string) *table {
	t := newTable(append([]string{title}, r.columns...)...)
	row := []string{"dc_client over twemproxy"}
	for _, s := range r.spreads {
		row = append(row, ratio(s))
	}
	t.add(row...)
	return t
}

// worstOf names the cell with the highest ratio.
func worstOf(all ...*ratios) string {
	name, highest := "", 0.0
	for _, r := range all {
		for i, s := range r.spreads {
			if s.Median > highest {
				name, highest = r.unit+": "+r.columns[i], s.Median
			}
		}
	}
	return name
}

// busyRatios are by clients: the higher one of dc_client with either of its upstreams.
func busyRatios(f *figures) *ratios {
	r := &ratios{unit: "clients"}
	for _, n := range f.clients(false) {
		peer := f.cpu(proxyCell(twemproxy, n, false))
		before := stat.Ratio(f.cpu(proxyCell(stubbed, n, false)), peer)
		if s := stat.Ratio(f.cpu(proxyCell(pair, n, false)), peer); s.Median > before.Median {
			before = s
		}
		r.add(count(n), before)
	}
	return r
}

// pacedRatios are by rates, in both cases with a real server behind.
func pacedRatios(f *figures) *ratios {
	r := &ratios{unit: "operations a second"}
	if len(f.targets(record.Rate)) == 0 {
		return r
	}
	for _, rate := range f.rates() {
		r.add(number(rate), stat.Ratio(f.cpu(rateCell(f, pair, rate)), f.cpu(rateCell(f, twemproxy, rate))))
	}
	return r
}
