package daemon

import (
	"errors"
	"slices"

	"distcache/internal/test/kit"
)

// leavingAttacks leave while they are owed an answer.
func leavingAttacks() []attack {
	return []attack{
		{"leaves at once", 1000, func(c *kit.Conn, _ int) error { return c.Close() }},
		{"leaves mid-request", 500, func(c *kit.Conn, n int) error {
			return errors.Join(c.Write(kit.Have(uint32(n), big)), c.Close())
		}},
		{"resets mid-request", 500, func(c *kit.Conn, n int) error {
			return errors.Join(c.Write(kit.Have(uint32(n), big)), c.Reset())
		}},
		{"leaves mid-answer", 200, func(c *kit.Conn, n int) error {
			err := c.Write(kit.Get(uint32(n), big))
			_, readErr := c.Read(100)
			return errors.Join(err, readErr, c.Close())
		}},
		{"leaves in a pipeline", 100, func(c *kit.Conn, n int) error {
			return errors.Join(c.Write(slices.Repeat(kit.Get(uint32(n), big), 20)), c.Close())
		}},
	}
}
