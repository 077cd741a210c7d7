package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"distcache/client"
)

// A connection per operation suits an agent on the same host.
func Example() {
	// Such as UNIX:/tmp/scache, where dc_client listens by default.
	cache, err := client.Open(os.Getenv("DISTCACHE_AGENT"), client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	ctx := context.Background()
	id := []byte("an ID of up to 64 bytes")
	if err := cache.Add(ctx, id, []byte("a session"), 5*time.Minute); err != nil {
		log.Fatal(err)
	}
	session, err := cache.Get(ctx, id)
	fmt.Printf("%s, %v\n", session, err)

	err = cache.Remove(ctx, id)
	fmt.Println("removed:", err == nil)
	_, err = cache.Get(ctx, id)
	fmt.Println("gone:", errors.Is(err, client.ErrNotFound))
	// Output:
	// a session, <nil>
	// removed: true
	// gone: true
}

// A persistent Client keeps some connections, and notices when the service drops them.
func ExampleDial() {
	cache, err := client.Dial(context.Background(), os.Getenv("DISTCACHE_AGENT"), client.Options{
		Persistent: true,
		Retry:      true,
		Timeout:    250 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err) // nothing listens there
	}
	defer cache.Close()

	found, err := cache.Have(context.Background(), []byte("an unused ID"))
	fmt.Println(found, err)
	// Output: false <nil>
}

// A session that is there already is kept.
func ExampleClient_Add() {
	cache, err := client.Open(os.Getenv("DISTCACHE_AGENT"), client.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()

	id := []byte("ExampleClient_Add")
	for _, data := range []string{"first", "second", ""} {
		err := cache.Add(context.Background(), id, []byte(data), time.Minute)
		switch {
		case err == nil:
			fmt.Println("stored")
		case errors.Is(err, client.ErrExists):
			fmt.Println("one is there already")
		case errors.Is(err, client.ErrDisconnected):
			fmt.Println("the cache is away: do without it")
		default:
			fmt.Println("never sent:", errors.Is(err, client.ErrData))
		}
	}
	// Output:
	// stored
	// one is there already
	// never sent: true
}
