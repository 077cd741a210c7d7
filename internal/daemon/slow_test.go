package daemon

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"distcache/internal/front"
	"distcache/internal/test/kit"
)

// idleWatch is how long a silent client looks whether it is left alone.
const idleWatch = 300 * time.Millisecond

// slowAttacks keep a daemon waiting.
func slowAttacks() []attack {
	return []attack{
		{"never reads", 8, func(c *kit.Conn, _ int) error {
			began := time.Now()
			err := askUntilClosed(c)
			return errors.Join(err, within(time.Since(began), front.ReadTimeout, front.ReadTimeout+5*time.Second))
		}},
		{"says nothing", 120, func(c *kit.Conn, _ int) error { return c.Quiet(idleWatch) }},
		{"reads slowly", 8, func(c *kit.Conn, n int) error {
			const requests = 40
			go func() { _ = c.Write(slices.Repeat(kit.Get(uint32(n), big), requests)) }()
			for range requests {
				m, err := c.ReadMessage()
				if err != nil || m.PayloadLen != bigLen {
					return fmt.Errorf("got %d bytes, %w, want %d", m.PayloadLen, err, bigLen)
				}
				time.Sleep(10 * time.Millisecond)
			}
			return nil
		}},
	}
}

// askUntilClosed asks for much, reads nothing, and returns when the connection is over.
func askUntilClosed(c *kit.Conn) error {
	c.SetPatience(patience)
	requests := slices.Repeat(kit.Get(1, big), 100)
	for range 10_000 {
		if err := c.Write(requests); err != nil {
			if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
				return nil
			}
			return err
		}
	}
	return errors.New("got all taken of a client that never reads, want an end")
}
