package daemon

import (
	"errors"
	"strings"
	"time"

	"distcache/internal/test/kit"
)

// wholeTimeout is how long a request may take to arrive.
const wholeTimeout = 2 * time.Second

// partialAttacks send half of something.
func partialAttacks() []attack {
	whole := kit.Add(5, "half", strings.Repeat("x", 5000), time.Hour)
	return []attack{
		{"half a request, then the end", 300, func(c *kit.Conn, n int) error {
			return errors.Join(c.Write(whole[:1+n*17%(len(whole)-1)]), c.Close())
		}},
		{"half a request, then a reset", 300, func(c *kit.Conn, n int) error {
			return errors.Join(c.Write(whole[:1+n*19%(len(whole)-1)]), c.Reset())
		}},
		{"half a request, then half a close", 300, func(c *kit.Conn, n int) error {
			return errors.Join(c.Write(whole[:1+n*23%(len(whole)-1)]), c.CloseWrite(), mustClose(c))
		}},
		{"half a request, then silence", 50, func(c *kit.Conn, n int) error {
			began := time.Now()
			return errors.Join(c.Write(whole[:1+n*97%(len(whole)-1)]), mustClose(c),
				within(time.Since(began), wholeTimeout, 2*wholeTimeout))
		}},
		{"a byte at a time", 50, func(c *kit.Conn, _ int) error {
			began := time.Now()
			_ = c.Trickle(whole[:5*20], 1, 50*time.Millisecond) // for 5 s, or until it is closed
			return within(time.Since(began), wholeTimeout, 2*wholeTimeout)
		}},
	}
}
