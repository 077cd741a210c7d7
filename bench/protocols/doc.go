// Package protocols teaches bench/load the wires of the stores that distcache is compared with: memcached's text protocol
// and Redis's RESP. A session ID is the key, in hexadecimal for memcached, whose keys are text; a session's data are the
// value; ADD stores only if absent, with the session's timeout.
//
//	         memcached                     Redis
//	ADD      add key 0 seconds size        SET id data NX PX milliseconds
//	GET      get key                       GET id
//	REMOVE   delete key                    DEL id
//	HAVE     get key                       EXISTS id
//
// Neither names the request in its answer: answers come in the order of the requests, so an answer repeats what was
// asked. An answer that says that the service cannot serve now is plan.Unavailable; any other error text is corrupt.
package protocols
