package main

import (
	"context"
	"fmt"
	"time"

	"distcache/bench/load/plan"
	"distcache/bench/record"
)

// growing are the uses of dc_client whose cost is followed as clients and operations become more, and the floor.
func growing(b builds) []*target {
	return []*target{b.floor(), b.pair(), b.secure(), b.door(), b.stored()}
}

// stored is pair with a Redis behind dc_server.
func (b builds) stored() *target {
	return &target{
		name: nameStored + b.suffix, about: "dc_client; its upstream is dc_server, which has its sessions in a Redis on 127.0.0.1",
		programs: []string{"redis-server"}, protocol: plan.Distcache,
		start: func(s *stage) error {
			port, err := freePort()
			if err != nil {
				return err
			}
			err = s.startInstalled("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no")
			if err != nil {
				return err
			}
			at := "UNIX:" + s.path("server")
			args := append([]string{"-listen", at, "-store", "redis://127.0.0.1:" + port}, b.serverFlags...)
			if err := s.startGo("dc_server", b.ours, args...); err != nil {
				return err
			}
			return b.startClient(s, at)
		},
	}
}

// growth plans more and more clients, which ask as fast as answers come, and then more and more operations a second of
// the same number of short-lived clients.
func (p *planner) growth(round int) {
	if !p.wants(record.Growth) {
		return
	}
	f := p.harness.form
	targets := growing(p.harness.builds)
	for _, keepAlive := range []bool{false, true} {
		for _, n := range f.growth {
			if !p.enough(n, fmt.Sprintf("%s, %d clients", style(keepAlive), n)) {
				continue
			}
			cell := record.Sample{Experiment: record.Growth, Round: round, Clients: n, KeepAlive: keepAlive}
			p.each(targets, cell, measureGrowth)
		}
	}
	saturated := saturation{}
	for _, rate := range f.growthRates {
		cell := record.Sample{Experiment: record.Growth, Round: round, Clients: f.rateClients, Rate: rate}
		p.each(targets, cell, saturated.measureRate)
	}
}

// growthPerClient makes a measurement longer with many clients. What is under way when it begins has been paid for in
// part; so it shall not be more than about a tenth of what is measured.
const growthPerClient = 100 * time.Microsecond

// measureGrowth drives the target as fast as it answers.
func measureGrowth(ctx context.Context, h *harness, s step) error {
	c := h.baseLoad(s.cell.Round)
	c.Clients, c.KeepAlive = s.cell.Clients, s.cell.KeepAlive
	c.Duration = max(c.Duration, time.Duration(c.Clients)*growthPerClient)
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		m := measurement{stage: st, config: c}
		return m.run(ctx, sample)
	})
}
