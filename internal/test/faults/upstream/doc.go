// Package upstream has no code but tests: of a whole dc_client whose dc_server is hostile,
// broken or slow, by the entries U of docs/RELIABILITY.md.
package upstream
