package redis

import (
	"unsafe"

	"distcache/codec"
)

// secureBytes is what a connection over TLS takes of the heap, beside its buffers.
const secureBytes = 40 << 10

// Heap is what a Store at l takes of the heap at most, in bytes: requests, batches with room to grow, replies when all
// sessions are of the largest size, and the connections to as many servers as there may be.
func (l *Location) Heap() int64 {
	wide, narrow := wideServers, maxNodes-wideServers
	if l.Mode == Single || l.Mode == Sentinel {
		wide, narrow = 1, 0
	}
	wires := int64(connections*wide + 1) // and one that asks for the servers
	heap := 2*maxOpen*int64(unsafe.Sizeof(request{})) + 2*maxBytes + 2*maxSpare*batchBytes + maxUnderWay*codec.MaxDataLen
	heap += wires*2*bufferBytes + int64(connections*narrow)*2*narrowBytes
	if l.TLS {
		heap += (wires + int64(connections*narrow)) * secureBytes
	}
	return heap
}
