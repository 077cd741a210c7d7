package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"distcache/bench/stat"
)

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
