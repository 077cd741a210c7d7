package logging

import (
	"io"
	"log/slog"
)

// stderr is the target in the foreground.
type stderr struct {
	w    io.Writer
	torn bool // the last write ended within a line
}

// write writes one line in one piece. After a line that was cut off, by a disk that was full, it begins a new one.
func (t *stderr) write(_ slog.Level, text []byte) error {
	b := make([]byte, 0, len(text)+2)
	if t.torn {
		b = append(b, '\n')
	}
	b = append(append(b, text...), '\n')
	n, err := t.w.Write(b)
	if n > 0 {
		t.torn = b[n-1] != '\n'
	}
	return err
}
