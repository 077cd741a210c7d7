package front

import (
	"slices"
	"strings"
	"testing"

	"distcache/codec"
)

// TestH24AnswersThatOldClientsMisreadArePartedBeforeTheirLastFrame asks for payloads of
// every length up to three frames, and of all lengths near a frame's end above: those of
// several frames with 2,021 to 2,024 bytes in the last, and no others, go in two writes.
func TestH24AnswersThatOldClientsMisreadArePartedBeforeTheirLastFrame(t *testing.T) {
	r := newRig(t)
	r.come(1)
	payload := strings.Repeat("x", codec.MaxPayload)
	for n := range codec.MaxPayload + 1 {
		if near := n % codec.MaxFrameData; n > 3*codec.MaxFrameData && near > 4 && near < 2015 {
			continue
		}
		r.mustSend(1, get(payload[:n]))
		whole, rest := answerTo(payload[:n]), n%codec.MaxFrameData
		if n > codec.MaxFrameData && rest >= 2021 && rest <= 2024 {
			at := len(whole) - codec.HeaderSize - rest
			r.mustWrite(whole[:at], whole[at:])
		} else {
			r.mustWrite(whole)
		}
		r.asked = nil
	}
}

// TestPartedIsForOneAnswerAlone: several answers together, of such a length by chance, go
// in one write.
func TestPartedIsForOneAnswerAlone(t *testing.T) {
	r := newRig(t)
	r.come(1)
	a, b := strings.Repeat("a", 2048), strings.Repeat("b", 2022)
	r.mustSend(1, slices.Concat(get(a), get(b)))
	r.mustWrite(slices.Concat(answerTo(a), answerTo(b)))
}
