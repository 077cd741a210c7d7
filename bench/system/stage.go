package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"distcache/bench/load/plan"
	"distcache/bench/process"
	"distcache/codec"
	"distcache/codec/address"
)

const (
	// startPatience is how long a program may take until it answers.
	startPatience = 10 * time.Second
	// pollEvery is how often it is asked whether it does.
	pollEvery = 2 * time.Millisecond
)

// traceCollections lets a Go program report each garbage collection on stderr.
const traceCollections = "GODEBUG=gctrace=1"

// stage is one target, started afresh in a directory of its own. processes has the measured one first: that which clients
// ask.
type stage struct {
	harness   *harness
	target    *target
	directory string
	processes []*process.Process
}

// front is the name of the socket that clients ask.
const front = "front"

// startAttempts is how often a target may fail to start. Some targets fail now and then, and that is not what is
// measured.
const startAttempts = 10

// newStage starts the target and waits until it has given a real answer.
func (h *harness) newStage(t *target) (*stage, error) {
	var all error
	for range startAttempts {
		s, err := h.tryStage(t)
		if err == nil {
			return s, nil
		}
		all = err
	}
	return nil, all
}

func (h *harness) tryStage(t *target) (*stage, error) {
	directory, err := os.MkdirTemp(h.directory, "")
	if err != nil {
		return nil, err
	}
	s := &stage{harness: h, target: t, directory: directory}
	if err = t.start(s); err == nil {
		err = s.waitReady()
	}
	if err != nil {
		s.end()
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	h.remember(s)
	return s, nil
}

// end kills the processes, each by its ID, and removes the directory.
func (s *stage) end() {
	for _, p := range s.processes {
		s.harness.launcher.Stop(p)
	}
	_ = os.RemoveAll(s.directory)
}

// err says which process has ended, if any.
func (s *stage) err() error {
	var all []error
	for _, p := range s.processes {
		all = append(all, p.Err())
	}
	return errors.Join(all...)
}

// path is that of a file or socket in the stage's directory.
func (s *stage) path(name string) string { return filepath.Join(s.directory, name) }

func (s *stage) address() address.Address {
	return address.Address{Kind: address.Unix, Path: s.path(front)}
}

// start starts a program. The last one started is the measured one.
func (s *stage) start(c process.Command) error {
	c.Dir = s.directory
	p, err := s.harness.launcher.Start(c)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	s.processes = append([]*process.Process{p}, s.processes...)
	return nil
}

// readyMark is part of the log line of each Go program that says that it listens and is connected.
const readyMark = " ready"

// startGo starts one of the Go programs that the build made, and waits until it is ready.
func (s *stage) startGo(name, directory string, args ...string) error {
	err := s.start(process.Command{
		Name: name, Path: filepath.Join(directory, name), Args: args, Env: []string{traceCollections}, Mark: readyMark,
	})
	if err != nil {
		return err
	}
	return s.until(func() error {
		if !s.processes[0].Ready() {
			return fmt.Errorf("%s: %w", name, errNotServing)
		}
		return nil
	})
}

func isGo(c process.Command) bool {
	return strings.Contains(strings.Join(c.Env, " "), traceCollections)
}

// listening waits until the socket accepts connections.
func (s *stage) listening(socket string) error {
	return s.until(func() error {
		c, err := net.Dial("unix", socket)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

// until tries again and again. It returns the last error after startPatience, or as soon as a process has ended.
func (s *stage) until(try func() error) error {
	for deadline := time.Now().Add(startPatience); ; time.Sleep(pollEvery) {
		err := try()
		if err == nil {
			return nil
		}
		if ended := s.err(); ended != nil {
			return ended
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %v: %w", startPatience, err)
		}
	}
}

// freePort returns a TCP port of 127.0.0.1 that is not in use.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), nil
}

// answerPatience is how long one answer may take while a target starts.
const answerPatience = time.Second

// errNotServing is returned while a target is not ready, or answers that it has no service.
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
	r := plan.Request{Asked: plan.Asked{Op: codec.OpGet, UID: 1}, ID: make([]byte, idSize)}
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
		case a.Kind != plan.No:
			return fmt.Errorf("%w: the answer to a GET of nothing is %v", errNotServing, a.Kind)
		}
		return nil
	}
}
