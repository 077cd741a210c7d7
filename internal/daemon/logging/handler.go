package logging

import (
	"context"
	"log/slog"
)

// handler is the slog.Handler that turns records into lines and puts them in the queue.
type handler struct {
	queue  *queue
	level  slog.Leveler
	layout layout
	prefix string // groups that are open, each with a dot
	attrs  []byte // what With added, ready to be appended
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle implements slog.Handler. It never waits and never fails.
func (h *handler) Handle(_ context.Context, r slog.Record) error {
	b := h.layout.appendHead(make([]byte, 0, 256), r.Time, r.Level, r.Message)
	b = append(b, h.attrs...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, h.prefix, a)
		return true
	})
	h.queue.put(line{level: r.Level, text: cut(b)})
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs = append([]byte(nil), h.attrs...)
	for _, a := range attrs {
		with.attrs = appendAttr(with.attrs, h.prefix, a)
	}
	return &with
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.prefix += name + "."
	}
	return &with
}
