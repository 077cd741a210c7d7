// Package network has no code but tests: of whole daemons on a network that fails, by the
// entries N of docs/RELIABILITY.md.
//
// A lan is two network namespaces with a cable between them; dc_client runs in one, its
// dc_server in the other, and the test asks dc_client over its unix socket:
//
//	test ──unix──▶ dc_client ──▶ v0 ═══════ v0 ──▶ dc_server
//	               namespace client         namespace server
//
// TestScaleOut has hosts on a switch: three with a dc_client, two with a dc_server, six with a redis-server.
//
// Namespaces need root and ip(8); syscall errors need strace(1). Tests that lack them are
// skipped, with the reason.
package network
