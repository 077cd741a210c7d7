// Package daemon is the life cycle of dc_client and dc_server, from the command line to the
// exit code. Their App serves the requests.
//
//	flags ─▶ with -daemon: detach (package service) ─▶ catch signals ─▶ inspect: a plan ─▶
//	listen ─▶ pidfile ─▶ drop privileges ─▶ accept ─▶ ready ─▶ App.Start ─▶ loop ─▶ drain ─▶ exit
//
// -check prints what inspect found, and stops there. A step that fails ends the start, and
// what the earlier steps made is removed.
package daemon
