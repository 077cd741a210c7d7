// System is the harness behind make bench: it starts each target, drives all with the same load in interleaved rounds,
// reads from the kernel what each process took, and writes every round's figures to one JSON file. bench/report turns
// that into tables and plots.
//
//	steps, in this order              one step
//	round 1:  cell 1: A B C …         stage: fresh processes in a directory of their own, ready when one real answer came
//	          cell 2: A B C …     ──▶ load.Run: warm-up, then the measurement; meter and accounts read the clocks
//	round 2:  cell 1: A B C …         stage ends: each process is killed by its ID
//	…
//
// The load generator is a thread of this process; what it takes is recorded beside the rest, and so is what everything
// else on the machine took meanwhile. A target whose program is not installed is skipped, with a line that says so, and
// so is a cell that needs more descriptors than there are.
//
//	go run ./bench/system                 # the full form, about a quarter of an hour
//	go run ./bench/system -quick          # under three minutes
//	go run ./bench/system -only growth    # dc_client with 1 to 19,000 clients, ten minutes
//	go run ./bench/system -h              # the rest
package main
