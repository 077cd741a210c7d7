package daemon

import "runtime/debug"

// Memory is what an App takes beside its clients, in bytes, at the most.
type Memory struct {
	Heap    int64 // tables and buffers
	OffHeap int64 // what the Go runtime knows nothing of
}

const (
	// clientMemory is what a client takes, in bytes, and entryMemory what it takes in the
	// tables of each loop, which go by descriptor: a loop has entries for the clients of the
	// others too. Doubled because tables grow by doubling.
	clientMemory = 2 * 88
	entryMemory  = 2 * 168
	// runtimeMemory is the Go runtime, the program and its stacks, in bytes.
	runtimeMemory = 32 << 20
	// heapSlack is how much larger than what is in use the heap may get before the
	// collector has done its work.
	heapSlack = 2
)

// boundMemory makes the collector work for the bound of the process's resident memory,
// and gives that, in bytes.
func (c Config) boundMemory() int64 {
	debug.SetMemoryLimit(c.heapBound())
	return c.memoryBound()
}

// memoryBound computes the bound of the process's resident memory from its limits.
func (c Config) memoryBound() int64 { return c.heapBound() + c.Memory.OffHeap }

func (c Config) heapBound() int64 {
	heap := 2*int64(c.PoolBytes) + int64(c.MaxClients)*c.perClient() + c.Memory.Heap
	return heapSlack*heap + runtimeMemory
}

// perClient is what a client takes in all tables, in bytes.
func (c Config) perClient() int64 { return clientMemory + int64(c.loops())*entryMemory }
