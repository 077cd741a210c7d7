package daemon

import (
	"errors"
	"slices"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// corruptAttacks send what is no request, and are closed at once without an answer.
func corruptAttacks() []attack {
	valid := kit.Get(1, "nobody's")
	changed := func(at int, b ...byte) []byte { return slices.Replace(slices.Clone(valid), at, at+len(b), b...) }
	full := frame(7, codec.OpGet, false)
	var all []attack
	for _, row := range []struct {
		name  string
		bytes []byte
	}{
		{"version 0x0010", changed(1, 0x10)},
		{"version 0xffff", changed(0, 0xff, 0xff)},
		{"wrong version, 2 bytes of it", []byte{0x00, 0x12}},
		{"an answer", changed(4, 1)},
		{"is_response 2", changed(4, 2)},
		{"op_class 1", changed(9, 1)},
		{"operation 4", changed(10, 4)},
		{"complete 2", changed(11, 2)},
		{"2,049 bytes", changed(12, 8, 1)},
		{"short and incomplete", changed(11, 0)},
		{"another uid follows", slices.Concat(full, frame(8, codec.OpGet, true))},
		{"another operation follows", slices.Concat(full, frame(7, codec.OpHave, true))},
		{"33,000 bytes", slices.Concat(slices.Repeat(full, 16), frame(7, codec.OpGet, true))},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")},
		{"TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
		{"Redis", []byte("*1\r\n$4\r\nPING\r\n")},
		{"noise", []byte("\x9e\x8f\x00\xff\x11\x00")},
	} {
		all = append(all, attack{"corrupt: " + row.name, 40, func(c *kit.Conn, _ int) error {
			return errors.Join(c.Write(row.bytes), mustClose(c))
		}})
	}
	return append(all,
		attack{"corrupt: after a request", 40, func(c *kit.Conn, n int) error {
			if err := c.Write(kit.Have(uint32(n), "nobody's"), []byte("garbage")); err != nil {
				return err
			}
			return errors.Join(mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK), mustClose(c))
		}},
		attack{"corrupt: many at a time", 1000, func(c *kit.Conn, n int) error {
			return errors.Join(c.Write([]byte{0, byte(0x12 + n%200)}), mustClose(c))
		}},
	)
}

// frame is a full frame.
func frame(uid uint32, op codec.Op, complete bool) []byte {
	h := codec.Header{Direction: codec.Request, UID: uid, Op: op, Complete: complete, DataLen: codec.MaxFrameData}
	return append(codec.AppendHeader(nil, h), make([]byte, codec.MaxFrameData)...)
}
