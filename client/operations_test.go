package client

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// kinds are the ways of connecting.
func kinds() map[string]Options {
	return map[string]Options{
		"temporary":  {},
		"persistent": {Persistent: true},
		"retry":      {Persistent: true, Retry: true},
	}
}

// TestRealDaemons asks all operations of dc_client and of dc_server.
func TestRealDaemons(t *testing.T) {
	for _, service := range []string{agentEnv, serverEnv} {
		for name, opt := range kinds() {
			t.Run(service+" "+name, func(t *testing.T) {
				c := openAt(t, os.Getenv(service), opt)
				roundTrip(t, c, t.Name())
			})
		}
	}
}

// roundTrip asks each operation with and without a session being there.
func roundTrip(t *testing.T, c *Client, name string) {
	t.Helper()
	id, data := []byte(name)[:min(len(name), codec.MaxIDLen)], strings.Repeat("session of "+name, 100)
	_, err := c.Get(t.Context(), id)
	wantErr(t, "Get of what is not there", err, ErrNotFound)
	wantHave(t, c, id, false)
	wantErr(t, "Remove of what is not there", c.Remove(t.Context(), id), ErrNotFound)
	wantErr(t, "Add", c.Add(t.Context(), id, []byte(data), time.Minute), nil)
	wantErr(t, "Add of what is there", c.Add(t.Context(), id, []byte("other"), time.Minute), ErrExists)
	wantHave(t, c, id, true)
	got, err := c.Get(t.Context(), id)
	wantErr(t, "Get", err, nil)
	if string(got) != data {
		t.Errorf("got %d bytes %.20q, want the %d that were added", len(got), got, len(data))
	}
	wantErr(t, "Remove", c.Remove(t.Context(), id), nil)
	wantHave(t, c, id, false)
}

func wantHave(t *testing.T, c *Client, id []byte, want bool) {
	t.Helper()
	if got, err := c.Have(t.Context(), id); got != want || err != nil {
		t.Errorf("Have: got %v, %v, want %v", got, err, want)
	}
}

func TestErrorText(t *testing.T) {
	tests := []struct {
		name string
		err  Error
		want string
	}{
		{"first", Error{Op: codec.OpGet, Address: "UNIX:/tmp/scache", Err: ErrNotFound},
			"GET at UNIX:/tmp/scache: the cache holds no such session"},
		{"second", Error{Op: codec.OpAdd, Address: "IP:cache:9001", Retried: true, Err: ErrExists},
			"ADD at IP:cache:9001 (second attempt): the cache holds a session of that ID already"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.err.Error(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// TestConcurrentUse: many goroutines share a Client, and each gets its own answers.
func TestConcurrentUse(t *testing.T) {
	const goroutines, rounds = 32, 20
	for name, opt := range kinds() {
		t.Run(name, func(t *testing.T) {
			c := openAt(t, os.Getenv(agentEnv), opt)
			var all sync.WaitGroup
			for g := range goroutines {
				all.Go(func() {
					for r := range rounds {
						if err := addAndGet(t, c, fmt.Sprintf("%s %d.%d", name, g, r)); err != nil {
							t.Errorf("goroutine %d, round %d: %v", g, r, err)
							return
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// addAndGet stores a session under an ID of its own, and reads it back.
func addAndGet(t *testing.T, c *Client, name string) error {
	id, data := []byte(name), strings.Repeat(name, 1+len(name)*7)
	if err := c.Add(t.Context(), id, []byte(data), time.Minute); err != nil {
		return err
	}
	got, err := c.Get(t.Context(), id)
	if err == nil && string(got) != data {
		err = fmt.Errorf("got %.40q, want %.40q", got, data)
	}
	return errors.Join(err, c.Remove(t.Context(), id))
}

// TestConnectionPerOperation: without Persistent, and with a negative Keep, none is kept.
func TestConnectionPerOperation(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{Retry: true, Keep: -1})
	for range 3 {
		wantHave(t, c, []byte("id"), false)
	}
	wantConns(t, up, 3)
	wantOpen(t, up, 0)
}
