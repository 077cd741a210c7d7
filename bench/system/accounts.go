package main

import (
	"os"
	"time"

	"distcache/bench/process"
	"distcache/bench/procfs"
	"distcache/bench/record"
)

// accounts is what the kernel had accounted to everybody at one moment.
type accounts struct {
	at        time.Time
	processes []account
	harness   time.Duration // this process, the load generator included
	machine   procfs.Busy
}

// account is that of one process.
type account struct {
	cpu    time.Duration
	split  procfs.Split
	memory procfs.Memory
	gcs    int
}

// readAccounts reads the clocks first, because they run on. A process that has ended has an account of zeros; that it
// ended is found elsewhere.
func readAccounts(processes []*process.Process) accounts {
	a := accounts{at: time.Now(), processes: make([]account, len(processes))}
	for i, p := range processes {
		a.processes[i].cpu, _ = procfs.CPUTime(p.PID())
	}
	a.harness, _ = procfs.CPUTime(os.Getpid())
	a.machine, _ = procfs.MachineBusy()
	for i, p := range processes {
		one := &a.processes[i]
		one.split, _ = procfs.SplitTime(p.PID())
		one.memory, _ = procfs.MemoryOf(p.PID())
		one.gcs = p.Collections()
	}
	return a
}

// charge writes into the sample what was taken between the two moments.
func charge(s *record.Sample, processes []*process.Process, from, to accounts) {
	others := to.machine.Work - from.machine.Work - (to.harness - from.harness)
	s.Processes = nil
	for i, p := range processes {
		a, b := from.processes[i], to.processes[i]
		others -= b.cpu - a.cpu
		s.Processes = append(s.Processes, record.Process{
			Name: p.Command.Name,
			CPU:  (b.cpu - a.cpu).Seconds(),
			User: (b.split.User - a.split.User).Seconds(), System: (b.split.System - a.split.System).Seconds(),
			Resident: b.memory.Resident, Peak: b.memory.Peak,
			Collections: collections(p, b.gcs-a.gcs),
		})
	}
	s.OthersCPU = max(0, others).Seconds()
	s.Steal = (to.machine.Steal - from.machine.Steal).Seconds()
}

// collections is nil for a program that does not report them.
func collections(p *process.Process, n int) *int {
	if !isGo(p.Command) {
		return nil
	}
	return &n
}
