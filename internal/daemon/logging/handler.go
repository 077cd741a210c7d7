package logging

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// handler is the slog.Handler that turns records into lines and puts them in the queue.
type handler struct {
	queue  *queue
	recent *recent // nil: none are kept
	level  slog.Leveler
	layout layout
	prefix string // groups that are open, each with a dot
	attrs  []byte // of With, in the form of the layout
	plain  []byte // the same as text
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
		b = h.layout.appendAttr(b, h.prefix, a)
		return true
	})
	h.queue.put(line{level: r.Level, text: h.layout.end(b, r)})
	h.recent.add(r, h.prefix, h.plain)
	return nil
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.attrs, with.plain = slices.Clone(h.attrs), slices.Clone(h.plain)
	for _, a := range attrs {
		with.attrs = h.layout.appendAttr(with.attrs, h.prefix, a)
		with.plain = appendAttr(with.plain, h.prefix, a)
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

// timeForm is RFC 3339 with milliseconds; lines are stamped in UTC, so it always ends in Z.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// lineMax is the greatest length of a line in bytes, which every syslog daemon takes in one piece; longer ones are cut.
const lineMax = 2048

// appendAttr appends " key=value", the key below the groups in prefix; for a group its members, for an empty attribute
// nothing.
func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b
	}
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range a.Value.Group() {
			b = appendAttr(b, prefix, member)
		}
		return b
	}
	b = append(b, ' ')
	b = appendText(b, prefix+a.Key)
	b = append(b, '=')
	return appendValue(b, a.Value)
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindTime:
		return v.Time().UTC().AppendFormat(b, timeForm)
	default:
		return appendText(b, valueText(v))
	}
}

func valueText(v slog.Value) string {
	if v.Kind() == slog.KindAny {
		return fmt.Sprint(v.Any())
	}
	return v.String()
}

// appendText appends text as one word, in quotes where it would not be one.
func appendText(b []byte, text string) []byte {
	if text == "" || strings.ContainsAny(text, " =") || !isPlain(text) {
		return strconv.AppendQuote(b, text)
	}
	return append(b, text...)
}

// isPlain tells whether text can be written without quotes. It must not forge a line, move a terminal's cursor, or look
// like a quoted text.
func isPlain(text string) bool {
	if !utf8.ValidString(text) {
		return false
	}
	return !strings.ContainsFunc(text, func(r rune) bool { return r == '"' || !unicode.IsPrint(r) })
}

// cut shortens a line to lineMax bytes, with room for the mark that says so.
func cut(b []byte) []byte {
	const mark = "..."
	if len(b) <= lineMax {
		return b
	}
	end := lineMax - len(mark)
	for end > 0 && !utf8.RuneStart(b[end]) {
		end--
	}
	return append(b[:end], mark...)
}
