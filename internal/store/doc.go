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
//	               expiry            who expires soonest: 17.1 bytes a session
//
//	store.go   the interface           memory.go  the three structures at work
//	table.go   the hash table          slab.go    records, dense in every size class
//	expiry.go  the tournament          classes.go which sizes there are
//	record.go  a record's bytes        pages.go   where the slab's memory comes from
//	config.go  limits and bounds       mapping.go memory from the kernel
//	warm.go    reads ahead of lookups
//
// A lookup reads one cache line of the table and then the record. Nothing is ever
// rehashed, sorted or scanned as a whole: each operation costs at most a walk of
// the tournament's levels (7 at ten million sessions) and one move of a record.
//
// Sessions are secrets. A byte of the slab that belongs to no session is zero: what
// goes is wiped at once, and core dumps leave the slab out.
//
// Everything here is for one goroutine, the loop's. Time comes in as now, monotonic.
package store
