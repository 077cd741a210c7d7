// Package daemon is the life of dc_client and dc_server, from the command line to the
// exit code; what they do with requests is their App.
//
//	flags ─▶ signals caught ─▶ listen, owner, permissions ─▶ (detached already: package
//	service) ─▶ pidfile ─▶ privileges dropped ─▶ ready ─▶ App.Start ─▶ loop ─▶ drain ─▶ exit
//
// A step that fails ends the start, and what the earlier ones made is removed.
package daemon
