// Command latency asks a distcache service or a Redis at a given rate and prints one line: operations a second, and how
// long they took, in microseconds from the moment when each was due. bench/redis.sh uses it.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"distcache/bench/load"
	"distcache/bench/load/plan"
	"distcache/bench/protocols"
	"distcache/codec/address"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "latency:", err)
		os.Exit(1)
	}
}

func run() error {
	at := flag.String("connect", "", "`address` of the service: UNIX:/path or IP:host:port")
	redis := flag.Bool("redis", false, "the service is a Redis")
	c := plan.DefaultConfig()
	flag.IntVar(&c.Clients, "clients", 64, "`number` of clients, which keep their connections")
	flag.DurationVar(&c.Duration, "duration", 5*time.Second, "`length` of the measurement")
	flag.Float64Var(&c.Rate, "rate", 0, "`operations` a second; 0: as fast as answers come")
	flag.Parse()
	var err error
	if c.Address, err = address.ParseConnect(*at); err != nil {
		return fmt.Errorf("-connect: %w", err)
	}
	if *redis {
		c.Protocol = protocols.Redis
	}
	c.KeepAlive, c.Preload, c.Lossy, c.Warmup = true, true, true, time.Second
	c.Mix, c.Sessions, c.DataMin, c.DataMax = plan.Mix{Get: 3, Have: 1}, 100, 180, 180
	c.Timeout, c.TimeVar = time.Hour, 0
	c.Seed, c.Salt = 1, uint64(time.Now().UnixNano())
	r, err := load.Run(context.Background(), c)
	if err != nil {
		return err
	}
	h := r.Latency()
	fmt.Printf("%.0f op/s, p50 %.0f us, p99 %.0f us, %d failed\n", float64(r.Count())/r.Elapsed.Seconds(),
		float64(h.ValueAtPercentile(50))/1e3, float64(h.ValueAtPercentile(99))/1e3, r.Failed())
	return nil
}
