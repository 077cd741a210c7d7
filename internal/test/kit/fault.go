package kit

import (
	"bytes"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"distcache/codec"
)

// Where a header's fields are that faults spoil (PROTOCOL.md, “Frame”).
const (
	atVersion  = 1
	atResponse = 4
	atUID      = 5
)

// Pass answers honestly.
func Pass(x *Exchange) { x.Write(x.Answer) }

// Drop does not answer.
func Drop(*Exchange) {}

// StopReading answers no more and reads no more. In OnConnect that is a server which
// accepts and hangs.
func StopReading(x *Exchange) { <-x.Over() }

// CloseUnanswered closes the connection in place of an answer.
func CloseUnanswered(x *Exchange) { x.Close() }

// ResetUnanswered ends the connection with an RST in place of an answer.
func ResetUnanswered(x *Exchange) { x.Reset() }

// Duplicate answers twice, in one write.
func Duplicate(x *Exchange) { x.Write(slices.Concat(x.Answer, x.Answer)) }

// ByteByByte answers in writes of one byte.
func ByteByByte(x *Exchange) { x.Trickle(x.Answer, 1, 0) }

// WrongUID answers with another uid: every bit of it differs.
func WrongUID(x *Exchange) {
	x.Write(spoilt(x.Answer, func(b []byte) { codec.SetUID(b, ^x.Request.UID) }))
}

// WrongOp answers with another operation, in a valid frame.
func WrongOp(x *Exchange) {
	x.Write(Answer(x.Request.UID, (x.Request.Op+1)%codec.NumOps, []byte{byte(codec.StatusOK)}))
}

// AsRequest answers with is_response 0.
func AsRequest(x *Exchange) {
	x.Write(spoilt(x.Answer, func(b []byte) { b[atResponse] = byte(codec.Request) }))
}

// WrongVersion answers with version 0x0010.
func WrongVersion(x *Exchange) {
	x.Write(spoilt(x.Answer, func(b []byte) { b[atVersion] = 0x10 }))
}

// Oversized answers with a frame of 2,049 bytes.
func Oversized(x *Exchange) {
	x.Write(append(header(x, true, codec.MaxFrameData+1), make([]byte, codec.MaxFrameData+1)...))
}

// SeventeenFrames answers with a message of 17 full frames.
func SeventeenFrames(x *Exchange) {
	for i := range 17 {
		x.Write(append(header(x, i == 16, codec.MaxFrameData), make([]byte, codec.MaxFrameData)...))
	}
}

// MixedUIDs answers with a message of two frames, the second of another uid.
func MixedUIDs(x *Exchange) {
	b := Answer(x.Request.UID, x.Request.Op, make([]byte, codec.MaxFrameData+1))
	codec.SetUID(b[codec.FrameSize:], ^x.Request.UID)
	x.Write(b)
}

// FlipByte answers with the last byte of the payload changed.
func FlipByte(x *Exchange) {
	x.Write(spoilt(x.Answer, func(b []byte) { b[len(b)-1] ^= 0xff }))
}

// HTTP answers as a web server does to what it does not understand.
func HTTP(x *Exchange) {
	x.Write([]byte("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	x.Close()
}

// Flood sends valid answers to no request until the connection ends.
func Flood(x *Exchange) {
	b := bytes.Repeat(Status(0xfeedface, codec.OpGet, codec.StatusNotOK), 4096)
	for x.peer.put(step{bytes: b}) {
	}
}

// Unsolicited sends n answers that nobody asked for, then the honest one if there is
// one to give: in OnConnect there is none.
func Unsolicited(n int) Fault {
	return func(x *Exchange) {
		for i := range n {
			x.Write(Status(0xfeed0000+uint32(i), codec.OpGet, codec.StatusNotOK))
		}
		x.Write(x.Answer)
	}
}

// Reply answers with that payload.
func Reply(payload []byte) Fault {
	return func(x *Exchange) { x.Write(Answer(x.Request.UID, x.Request.Op, payload)) }
}

// Delay answers honestly d after the request; the answers behind it wait for it.
func Delay(d time.Duration) Fault {
	return func(x *Exchange) { x.WriteAfter(d, x.Answer) }
}

// Late answers honestly d after the request; the answers behind it overtake it.
func Late(d time.Duration) Fault {
	return func(x *Exchange) { x.Overtake(d, x.Answer) }
}

// HoldBack sends the honest answer but for its last n bytes, and those after d.
func HoldBack(n int, d time.Duration) Fault {
	return func(x *Exchange) {
		cut := max(0, len(x.Answer)-n)
		x.WriteAfter(0, x.Answer[:cut])
		x.WriteAfter(d, x.Answer[cut:])
	}
}

// Cut closes the connection after the first n bytes of the honest answer.
func Cut(n int) Fault {
	return func(x *Exchange) {
		x.Write(x.Answer[:min(n, len(x.Answer))])
		x.Close()
	}
}

// CutReset ends the connection with an RST after the first n bytes of the honest answer.
func CutReset(n int) Fault {
	return func(x *Exchange) {
		x.Write(x.Answer[:min(n, len(x.Answer))])
		x.Reset()
	}
}

// FinishAfter answers the first n requests of a connection honestly, then sends the end
// of the stream and answers no more.
func FinishAfter(n int) Fault {
	return func(x *Exchange) {
		if x.Request.Number <= n {
			x.Write(x.Answer)
		}
		if x.Request.Number == n {
			x.Finish()
		}
	}
}

// SwapUIDs holds every first answer back until there is a second, and sends each with
// the other's uid. It is for requests of one operation on one connection.
func SwapUIDs() Fault {
	var mu sync.Mutex
	var held []byte
	return func(x *Exchange) {
		mu.Lock()
		defer mu.Unlock()
		if held == nil {
			held = bytes.Clone(x.Answer)
			return
		}
		first, second := held, bytes.Clone(x.Answer)
		held = nil
		heldUID := binary.BigEndian.Uint32(first[atUID:])
		codec.SetUID(first, x.Request.UID)
		codec.SetUID(second, heldUID)
		x.Write(first)
		x.Write(second)
	}
}

// spoilt is a copy of b that was changed.
func spoilt(b []byte, change func([]byte)) []byte {
	b = bytes.Clone(b)
	change(b)
	return b
}

// header is that of a frame in an answer to x, valid or not.
func header(x *Exchange, complete bool, dataLen int) []byte {
	return codec.AppendHeader(nil, codec.Header{
		Direction: codec.Response, UID: x.Request.UID, Op: x.Request.Op, Complete: complete, DataLen: dataLen,
	})
}
