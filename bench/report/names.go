package main

// The targets, as bench/system names them.
const (
	floor     = "floor"
	stubbed   = "dc_client"
	pair      = "dc_client+dc_server"
	twemproxy = "twemproxy+memcached"
	goroutine = "goroutine"
	gnetRun   = "gnet.Run"
	server    = "dc_server"
	memcached = "memcached"
	redis     = "redis"
)

// sessionBytes are the ID and the data of each session in a store.
const sessionBytes = 32 + 180

func style(keepAlive bool) string {
	if keepAlive {
		return "keep-alive"
	}
	return "short-lived"
}
