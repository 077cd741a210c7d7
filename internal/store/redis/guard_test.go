package redis

import (
	"fmt"
	"strings"
	"testing"
)

// TestScanner finds the ends of values, in one piece, byte by byte and in two pieces.
func TestScanner(t *testing.T) {
	for _, row := range []struct {
		text string
		want int
	}{
		{"", 0}, {"+OK\r\n", 1}, {"-ERR no\r\n", 1}, {":12\r\n", 1}, {"$-1\r\n", 1}, {"*-1\r\n", 1}, {"*0\r\n", 1}, {"$0\r\n\r\n", 1},
		{"$3\r\nabc\r\n", 1}, {"$4\r\n\r\n\r\n\r\n", 1}, {"+OK\r\n:1\r\n$-1\r\n", 3}, {"*2\r\n:1\r\n$1\r\na\r\n", 1},
		{"*2\r\n*1\r\n:1\r\n*2\r\n:2\r\n:3\r\n+OK\r\n", 2}, {"*1\r\n*1\r\n*0\r\n", 1}, {"+" + strings.Repeat("x", 1000) + "\r\n", 1},
		{"+OK\r", 0}, {"$3\r\nabc", 0}, {"*2\r\n:1\r\n", 0}, {"$1", 0},
	} {
		for cut := range len(row.text) + 1 {
			s := scanner{most: dataLimits}
			got := 0
			for _, part := range []string{row.text[:cut], row.text[cut:]} {
				n, err := s.scan([]byte(part))
				if err != nil {
					t.Fatalf("%q cut at %d: %v", row.text, cut, err)
				}
				got += n
			}
			if got != row.want || s.begun() != (row.want == 0 && row.text != "") {
				t.Fatalf("%q cut at %d: got %d values, begun %v, want %d", row.text, cut, got, s.begun(), row.want)
			}
		}
	}
}

// TestScannerRefuses what is no RESP2, and what would take memory without bound.
func TestScannerRefuses(t *testing.T) {
	for _, text := range []string{
		"x", "HTTP/1.1 400 Bad Request\r\n", "\r\n", ">1\r\n", "%1\r\n", "_\r\n", "$\r\n", "$x\r\n", "$-2\r\n", "$1\n", "*-2\r\n", "$99999999999999999999\r\n",
		fmt.Sprintf("$%d\r\n", dataLimits.bulk+1), fmt.Sprintf("*%d\r\n", dataLimits.elements+1), fmt.Sprintf("*2\r\n*%d\r\n", dataLimits.elements-1),
		strings.Repeat("*1\r\n", maxDepth+1), "+" + strings.Repeat("x", maxLine) + "\r\n", "$" + strings.Repeat("0", 100) + "\r\n",
	} {
		s := scanner{most: dataLimits}
		if n, err := s.scan([]byte(text + "\n")); err == nil || n != 0 {
			t.Errorf("%.30q: got %d values, %v, want an error", text, n, err)
		}
	}
}

// FuzzScanner: it gives the same in one piece and in many, and never panics.
func FuzzScanner(f *testing.F) {
	f.Add([]byte("*2\r\n*1\r\n:1\r\n$3\r\nabc\r\n+OK\r\n"))
	f.Add([]byte("$-1\r\n$0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		whole, parts := scanner{most: dataLimits}, scanner{most: dataLimits}
		want, wantErr := whole.scan(b)
		got := 0
		var err error
		for i := range b {
			var n int
			if n, err = parts.scan(b[i : i+1]); err != nil {
				break
			}
			got += n
		}
		if (err != nil) != (wantErr != nil) || got != want {
			t.Fatalf("%q: got %d, %v byte by byte, and %d, %v in one piece", b, got, err, want, wantErr)
		}
	})
}
