// Package memcached is the front for clients that speak memcached's protocols, which many TLS
// terminators do: it makes requests of distcache's out of theirs, and their answers out of
// distcache's.
//
//	get k ──▶ GET id           a hit is VALUE, all else END
//	set k ──▶ ADD id           where the ID is there: REMOVE, ADD
//	delete k ──▶ REMOVE id
//
// A cache that fails looks like one that has nothing: a get is a miss, a store has succeeded,
// a delete has found nothing. What was concealed in this way is counted. Terminators suffer from
// anything else: they drop visitors, wait for seconds, or end (docs/TERMINATORS.md).
package memcached
