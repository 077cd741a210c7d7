package daemon

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// harmlessOddities are odd but right, and have to be served.
func harmlessOddities() []attack {
	return []attack{
		{"newer patch level", 50, func(c *kit.Conn, n int) error {
			request := kit.Have(uint32(n), "nobody's")
			request[3] = 1
			return errors.Join(c.Write(request), mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK))
		}},
		{"an empty last frame", 50, func(c *kit.Conn, n int) error {
			last := codec.AppendHeader(nil, codec.Header{UID: uint32(n), Op: codec.OpGet, Complete: true})
			request := slices.Concat(slices.Repeat(frame(uint32(n), codec.OpGet, false), 16), last)
			return errors.Join(c.Write(request), mustAnswer(c, uint32(n), codec.OpGet, codec.StatusNotOK))
		}},
		{"half a close", 100, func(c *kit.Conn, n int) error {
			return errors.Join(c.Write(kit.Have(uint32(n), "nobody's")), c.CloseWrite(),
				mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK), mustClose(c))
		}},
		{"short ADDs", 50, func(c *kit.Conn, n int) error {
			for length := range codec.AddOverhead {
				err := c.Write(kit.Ask(uint32(n), codec.OpAdd, make([]byte, length)))
				if err = errors.Join(err, mustAnswer(c, uint32(n), codec.OpAdd, codec.StatusAddCorrupt)); err != nil {
					return fmt.Errorf("ADD of %d bytes: %w", length, err)
				}
			}
			return nil
		}},
		{"every split", 40, func(c *kit.Conn, n int) error {
			request := kit.Have(uint32(n), "nobody's")
			at := 1 + n%(len(request)-1)
			err := errors.Join(c.Write(request[:at]), c.Quiet(10*time.Millisecond), c.Write(request[at:]))
			return errors.Join(err, mustAnswer(c, uint32(n), codec.OpHave, codec.StatusNotOK))
		}},
	}
}
