package logging

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"
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

// Format is how lines are written.
type Format uint8

// The formats.
const (
	Text Format = iota // time, level, message, key=value
	JSON               // one object a line, with time, level, msg and the keys
)

// layout is the form of lines for one target.
type layout struct {
	format   Format
	stamped  bool // text: with time and level; syslog and the journal have their own
	priority bool // begin with <4>, as the journal reads it from a stderr (sd-daemon(3))
}

// appendHead appends what a line begins with.
func (y layout) appendHead(b []byte, at time.Time, level slog.Level, message string) []byte {
	if y.priority {
		b = append(b, '<', priority(level), '>')
	}
	if y.format == JSON {
		return appendJSONHead(b, at, level, message)
	}
	if y.stamped {
		if !at.IsZero() {
			b = at.UTC().AppendFormat(b, timeForm)
			b = append(b, ' ')
		}
		b = append(b, level.String()...)
		b = append(b, ' ')
	}
	return appendMessage(b, message)
}

func appendMessage(b []byte, message string) []byte {
	if isPlain(message) {
		return append(b, message...)
	}
	return strconv.AppendQuote(b, message)
}

// priority is the digit of syslog's severity.
func priority(level slog.Level) byte {
	switch {
	case level < slog.LevelInfo:
		return '7'
	case level < slog.LevelWarn:
		return '6'
	case level < slog.LevelError:
		return '4'
	}
	return '3'
}

func appendJSONHead(b []byte, at time.Time, level slog.Level, message string) []byte {
	b = append(b, '{')
	if !at.IsZero() {
		b = append(b, `"time":"`...)
		b = at.UTC().AppendFormat(b, timeForm)
		b = append(b, `",`...)
	}
	b = append(b, `"level":`...)
	b = appendJSON(b, level.String())
	b = append(b, `,"msg":`...)
	return appendJSON(b, message)
}

// appendAttr appends an attribute, the key below the groups in prefix.
func (y layout) appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	if y.format == Text {
		return appendAttr(b, prefix, a)
	}
	a.Value = a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return b
	}
	if a.Value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range a.Value.Group() {
			b = y.appendAttr(b, prefix, member)
		}
		return b
	}
	b = append(b, ',')
	b = appendJSON(b, prefix+a.Key)
	b = append(b, ':')
	switch v := a.Value; v.Kind() {
	case slog.KindInt64, slog.KindUint64, slog.KindBool:
		return append(b, v.String()...)
	case slog.KindTime:
		return appendJSON(b, v.Time().UTC().Format(timeForm))
	default:
		return appendJSON(b, valueText(v))
	}
}

// appendJSON appends text as a JSON string, which forges no line and no terminal control.
func appendJSON(b []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil { // never for a string
		quoted = []byte(`""`)
	}
	return append(b, quoted...)
}

// end finishes a line, and shortens it to lineMax bytes. An object that is too long keeps its time,
// level and message, and says that it was cut.
func (y layout) end(b []byte, r slog.Record) []byte {
	if y.format == Text {
		return cut(b)
	}
	if b = append(b, '}'); len(b) <= lineMax {
		return b
	}
	b = y.appendHead(b[:0], r.Time, r.Level, r.Message[:min(len(r.Message), lineMax/8)])
	return append(b, `,"cut":true}`...)
}
