// Package chaos breaks dc_client and dc_server at random while clients use them, and
// checks every answer. It holds tests alone.
//
//	honest clients ─────────────────▶ dc_client A ───────────────────▶ dc_server
//	honest clients ──────┐                                               ▲  killed, frozen,
//	honest clients ─▶ Proxy ─▶ A      dc_client B ──▶ Proxy ─────────────┘  started again
//	                 resets,          ▲              resets, stalls, black holes,
//	                 stalls, cuts     └ clients      cut frames, refusals
//
// TestChaos is `make chaos`; a short form of it is in `make test`. TestChaosOverTLS is `make chaos TLS=1`: dc_clients and
// dc_server speak TLS, the Proxy damages ciphertext, of which it also changes bits, and certificates are renewed meanwhile.
// TestChaosOverRedis is `make chaos STORE=redis`: dc_server has its sessions in Redis. A killed dc_server loses none then, a
// killed Redis all.
// TestChaosOverCluster is `make chaos STORE=cluster`: a cluster with replicas, whose masters are killed. An ADD that a replica had not
// received is lost then, and a REMOVE undone: both are counted, in sessions that are there for that (witness).
// What all of them hold:
//
//   - Each request is answered once, or its connection closes (PROTOCOL.md, “What
//     dc_client does to a frame”); an honest client of a dc_client is never hung up on.
//   - No answer belongs to another's request. Each session's data says which client wrote
//     it, in which ADD, for which ID, and every byte of it follows from that (canary).
//   - A request ends within -timeout and 50 ms, beside what the machine itself was late.
//   - What all clients saw of one session ID is linearizable: there is an order of the
//     requests, each within the time it took, in which a cache of one thread would have
//     given those answers. dc_server's end empties it. A request that failed may have
//     been carried out, once, as long as the dc_server lived that had it.
//
// TestSoak is `make soak`: clients come and go, dc_server is restarted, and the memory,
// descriptors, threads and goroutines of both must stay what they were.
package chaos
