// Package store holds the sessions of dc_server: the Store interface and Memory, the
// store that keeps them in this process.
//
// A Memory is three structures over memory that the garbage collector never sees:
//
//	  id ──hash──▶ table             where the record of an id is: 8 bytes a session
//	                 │ ref
//	                 ▼
//	               slab              the records, packed by size: 8 bytes + id + data,
//	                 │ leaf   ▲      rounded up by 8 bytes or 2 % on average
//	                 ▼        │ ref
//	               expiry            which expires soonest: 17.1 bytes a session
//
//	store.go   the interface           memory.go  sessions in the three structures
//	table.go   the hash table          slab.go    records and their size classes
//	expiry.go  the tournament          pages.go   memory from the kernel
//	config.go  limits and bounds       serve.go   requests, and reads ahead of lookups
//	record.go  one session             kept…go    an arena that outlives the process
//	adopt.go   takes one over          salvage.go finds out what is in it
//
// A lookup reads one cache line of the table and then the record. No structure is ever
// rehashed, sorted or scanned as a whole. An operation costs at most one walk through the
// tournament's levels (7 at ten million sessions) and one move of a record.
//
// Sessions are secrets. A byte of the slab that belongs to no session is zero: a dropped
// session is wiped at once, and core dumps leave the slab out.
//
// Everything here belongs to the loop goroutine. Time comes in as now and is monotonic.
package store
