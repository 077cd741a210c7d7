package restart

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	distcache "distcache/client"
	"distcache/codec"
	"distcache/internal/test/kit"
)

// asker does the four operations, as one of the client libraries does.
type asker interface {
	add(id, data string) error
	get(id string) (string, error)
	remove(id string) error
	have(id string) (bool, error)
}

// oldClient is libdistcache 1.5.
type oldClient struct {
	at  kit.Endpoint
	uid *uint32
}

var errOldFailed = errors.New("libdistcache takes it for a failure")

func (c oldClient) ask(op codec.Op, payload []byte) ([]byte, error) {
	*c.uid++
	return oldAsk(c.at.Network, c.at.Address, *c.uid, op, payload)
}

// status is how it reads what is not data: one byte, or a failure.
func (c oldClient) status(op codec.Op, payload []byte) (bool, error) {
	answer, err := c.ask(op, payload)
	if err != nil {
		return false, err
	}
	if len(answer) != 1 || codec.Status(answer[0]) > codec.StatusNotOK {
		return false, fmt.Errorf("%w: % x", errOldFailed, answer[:min(len(answer), 8)])
	}
	return answer[0] == byte(codec.StatusOK), nil
}

func (c oldClient) add(id, data string) error {
	ok, err := c.status(codec.OpAdd, codec.AppendAdd(nil, codec.Add{Timeout: time.Hour, ID: []byte(id), Data: []byte(data)}))
	if err == nil && !ok {
		return errOldFailed
	}
	return err
}

// get takes 5 bytes or more for a hit.
func (c oldClient) get(id string) (string, error) {
	answer, err := c.ask(codec.OpGet, []byte(id))
	if err == nil && len(answer) < 5 {
		return "", nil
	}
	return string(answer), err
}

func (c oldClient) remove(id string) error {
	_, err := c.status(codec.OpRemove, []byte(id))
	return err
}

func (c oldClient) have(id string) (bool, error) { return c.status(codec.OpHave, []byte(id)) }

// newClient is package distcache/client.
type newClient struct{ *distcache.Client }

func openNewClient(t *testing.T, at kit.Endpoint) newClient {
	t.Helper()
	c, err := distcache.Open(at.String(), distcache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return newClient{c}
}

func (c newClient) add(id, data string) error {
	return c.Add(context.Background(), []byte(id), []byte(data), time.Hour)
}

func (c newClient) get(id string) (string, error) {
	data, err := c.Get(context.Background(), []byte(id))
	if errors.Is(err, distcache.ErrNotFound) {
		return "", nil
	}
	return string(data), err
}

func (c newClient) remove(id string) error {
	return c.Remove(context.Background(), []byte(id))
}

func (c newClient) have(id string) (bool, error) { return c.Have(context.Background(), []byte(id)) }

// matrixSizes are the sizes of sessions around each boundary of frames, and some between.
func matrixSizes(t *testing.T) (sizes []int) {
	random := kit.Random(t)
	most := distcache.MaxData(len("session-00000"))
	step, others := 1, 100
	if !kit.Full() {
		step, others = 11, 5
	}
	for n := range 16 {
		for d := -30; d <= 5; d += step {
			sizes = append(sizes, n*codec.MaxFrameData+d)
		}
	}
	for range others {
		sizes = append(sizes, 5+rand.New(rand.NewPCG(random.Uint64(), 0)).IntN(most-5))
	}
	sizes = append(sizes, 5, most)
	var fitting []int
	for _, size := range sizes {
		if size >= 5 && size <= most { // libdistcache takes less than 5 bytes for a miss
			fitting = append(fitting, size)
		}
	}
	return fitting
}

// TestV04OldAndNewTogether connects each client library to each dc_server, through each
// dc_client, old and new, and directly. An old tool tears messages of some sizes when it reads
// them (see tears), whichever tool wrote them. Those sizes are left out for old readers.
func TestV04OldAndNewTogether(t *testing.T) {
	t.Parallel()
	sizes := matrixSizes(t)
	for _, oldServes := range []bool{false, true} {
		for _, between := range []string{"directly", "through the old dc_client", "through the new dc_client"} {
			for _, oldAsks := range []bool{false, true} {
				name := fmt.Sprintf("%s client %s to the %s dc_server", age(oldAsks), between, age(oldServes))
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					at := matrixServer(t, oldServes)
					oldBetween := between == "through the old dc_client"
					switch {
					case oldBetween:
						at = startOldProxy(t, at)
					case between != "directly":
						_, at = kit.NewRig(t).Client(at)
					}
					var c asker = oldClient{at, new(uint32)}
					if !oldAsks {
						c = openNewClient(t, at)
					}
					const overhead = codec.AddOverhead + len("session-00000")
					for n, size := range sizes {
						if (oldServes || oldBetween) && tears(size+overhead) || (oldAsks || oldBetween) && tears(size) {
							continue
						}
						if err := mustLive(c, fmt.Sprintf("session-%05d", n), size); err != nil {
							t.Fatalf("session of %d bytes: %v", size, err)
						}
					}
				})
			}
		}
	}
}

func age(old bool) string {
	if old {
		return "old"
	}
	return "new"
}

func matrixServer(t *testing.T, old bool) kit.Endpoint {
	if old {
		_, at := startOldServer(t)
		return at
	}
	_, at := kit.NewRig(t).Server()
	return at
}

// mustLive is the life of one session.
func mustLive(c asker, id string, size int) error {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i*7 + size)
	}
	if there, err := c.have(id); err != nil || there {
		return fmt.Errorf("HAVE before: %v, %w", there, orNone(err))
	}
	if err := c.add(id, string(data)); err != nil {
		return fmt.Errorf("ADD: %w", err)
	}
	if there, err := c.have(id); err != nil || !there {
		return fmt.Errorf("HAVE: %v, %w", there, orNone(err))
	}
	if got, err := c.get(id); err != nil || got != string(data) {
		return fmt.Errorf("GET: %d bytes, equal %v, %w", len(got), got == string(data), orNone(err))
	}
	if err := c.remove(id); err != nil {
		return fmt.Errorf("REMOVE: %w", err)
	}
	if got, err := c.get(id); err != nil || got != "" {
		return fmt.Errorf("GET after: %d bytes, %w", len(got), orNone(err))
	}
	return nil
}

var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}

// TestV04QuirksOfTheOld: what the old tools do that the new ones must not suffer from.
func TestV04QuirksOfTheOld(t *testing.T) {
	t.Parallel()
	t.Run("the empty answer of an old dc_client", func(t *testing.T) {
		t.Parallel()
		at := startOldProxy(t, kit.Endpoint{Network: "unix", Address: "/nowhere/dc_server"})
		c := openNewClient(t, at)
		began := time.Now()
		if err := c.add("id", "some data"); err == nil {
			t.Error("ADD: got no error, want one")
		}
		if _, err := c.Get(context.Background(), []byte("id")); err == nil || errors.Is(err, distcache.ErrNotFound) {
			t.Errorf("GET: got %v, want an error that is no miss", err)
		}
		if took := time.Since(began); took > patience/2 {
			t.Errorf("got both answers after %v, want them at once", took)
		}
	})
	t.Run("an old dc_server closes on a short ADD", func(t *testing.T) {
		t.Parallel()
		old, server := startOldServer(t)
		process, at := kit.NewRig(t).Client(server)
		victim := kit.Dial(t, at)
		for n := range 8 {
			short := kit.Dial(t, at)
			short.ExpectStatus(kit.Ask(1, codec.OpAdd, make([]byte, n)), codec.StatusAddCorrupt)
			victim.ExpectStatus(kit.Have(2, "nobody's"), codec.StatusNotOK)
		}
		old.mu.Lock()
		defer old.mu.Unlock()
		if old.closed != 0 {
			t.Errorf("got %d connections closed by the old dc_server, want none", old.closed)
		}
		mustNotName(t, process.Stderr(), "lost dc_server")
	})
	t.Run("DISCONNECTED is a failure to an old client", func(t *testing.T) {
		t.Parallel()
		at := kit.Unix(t)
		ready(instances()[0].start(t, at))
		c := oldClient{at, new(uint32)}
		if err := c.add("id", "some data"); !errors.Is(err, errOldFailed) {
			t.Errorf("ADD: got %v, want a failure", err)
		}
		if got, err := c.get("id"); err != nil || got != "" {
			t.Errorf("GET: got %q, %v, want a miss", got, err)
		}
	})
}
