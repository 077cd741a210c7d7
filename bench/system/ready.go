package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"distcache/bench/load"
	"distcache/codec"
)

// answerPatience is how long one answer may take while a target starts.
const answerPatience = time.Second

// errNotServing is returned while a target has not said that it is ready, and when it answers that it has no service.
var errNotServing = errors.New("not ready")

// waitReady waits until a GET by way of all the target's processes gets a real answer.
func (s *stage) waitReady() error {
	return s.until(func() error {
		c, err := s.connect()
		if err != nil {
			return err
		}
		defer c.Close()
		return s.ask(c)
	})
}

func (s *stage) connect() (net.Conn, error) { return net.Dial("unix", s.path(front)) }

// ask sends a GET of a session that is not there and reads the answer.
func (s *stage) ask(c net.Conn) error {
	p := s.target.protocol()
	r := load.Request{Asked: load.Asked{Op: codec.OpGet, UID: 1}, ID: make([]byte, idSize)}
	if err := c.SetDeadline(time.Now().Add(answerPatience)); err != nil {
		return err
	}
	if _, err := c.Write(p.AppendRequest(nil, &r)); err != nil {
		return err
	}
	var b []byte
	for {
		part := make([]byte, 512)
		n, err := c.Read(part)
		if err != nil {
			return err
		}
		b = append(b, part[:n]...)
		a, _, err := p.ParseAnswer(b, r.Asked)
		switch {
		case err == codec.ErrShort:
			continue
		case err != nil:
			return err
		case a.Kind != load.No:
			return fmt.Errorf("%w: the answer to a GET of nothing is %v", errNotServing, a.Kind)
		}
		return nil
	}
}
