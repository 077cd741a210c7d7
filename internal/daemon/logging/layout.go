package logging

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"time"
)

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
