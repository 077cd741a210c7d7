package main

// What the sections of the report say above their figures.
const (
	aboutCPU = "Microseconds per operation, the median of the rounds and (lowest–highest); of a pair, the proxy alone. " +
		"Whiskers in the plots reach from the lowest round to the highest."

	aboutDetails = "Medians. “All processes” is the proxy and its upstream together. Errors are operations without " +
		"service, of all rounds; GCs are garbage collections in a million operations, of a process that has just been " +
		"started: its tables still grow. “Load” is how much of a core the load generator took: near 100 % it is what " +
		"limits op/s and latency, not the target; CPU per operation holds all the same."

	aboutRates = "An open loop of short-lived clients: operations begin when they are due, whatever became of those " +
		"before, and latency counts from then. A target that answers less than 97 % of two rates is not asked for more."

	aboutIdle = "What the resident memory of a proxy grows by, divided by the connections that asked once and stay."

	aboutStores = "One connection with 64 requests under way. SET (ADD, where it is called so) fills the empty store; " +
		"GETs then ask for what is there, or is not, at random. Bytes are what the resident memory grew by from empty."

	aboutCalm = "A full dc_server, 50 connections, at half of the rate that it reached a moment before: three GETs to " +
		"one ADD of a new session, for which another one has to go."

	aboutWrong = "These rounds are in no figure above."

	aboutSummary = "CPU of the proxy in microseconds per operation, and over the floor, which is a bare epoll " +
		"answerer, of the same round:\n\n"
)
