package logging

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// timeForm is RFC 3339 with milliseconds; lines are stamped in UTC, so it always ends in Z.
const timeForm = "2006-01-02T15:04:05.000Z07:00"

// lineMax is the greatest length of a line in bytes, what any syslog daemon takes in one piece; longer ones are cut.
const lineMax = 2048

// layout tells which parts of a line the target does not add by itself.
type layout struct{ stamped bool }

// appendHead appends time, level and message; a target that is not stamped knows the first two.
func (y layout) appendHead(b []byte, at time.Time, level slog.Level, message string) []byte {
	if y.stamped {
		if !at.IsZero() {
			b = at.UTC().AppendFormat(b, timeForm)
			b = append(b, ' ')
		}
		b = append(b, level.String()...)
		b = append(b, ' ')
	}
	if isPlain(message) {
		return append(b, message...)
	}
	return strconv.AppendQuote(b, message)
}

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
	case slog.KindAny:
		return appendText(b, fmt.Sprint(v.Any()))
	default:
		return appendText(b, v.String())
	}
}

// appendText appends text as one word, in quotes where it would not be one.
func appendText(b []byte, text string) []byte {
	if text == "" || strings.ContainsAny(text, " =") || !isPlain(text) {
		return strconv.AppendQuote(b, text)
	}
	return append(b, text...)
}

// isPlain tells whether text can be written as it is: nothing in it may forge a line, move a terminal's cursor, or pass
// for the quotes around another text.
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
