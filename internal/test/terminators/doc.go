// Package terminators holds what docs/TERMINATORS.md says: real TLS terminators, two of each, share
// their sessions through two dc_clients and one dc_server, and go on serving whatever becomes of
// dc_server. `make test-terminators` installs them and runs this.
//
//	openssl ──▶ terminator A ──▶ dc_client A ──▶ dc_server
//	        └─▶ terminator B ──▶ dc_client B ──┘
//
// What each is told about the cache is in contrib/terminators, and in the document word for word; what
// else it needs to run is in testdata.
package terminators
