// Report turns the results of bench/system into bench/report.md, the plots beside it, and the block of figures in
// README.md. The same results give the same bytes.
//
//	go run ./bench/report                     # from the newest file in bench/results
//	go run ./bench/report -growth             # bench/growth.md, from the newest run of bench/system -only growth
//	go run ./bench/report -results file.json -out directory -readme ""
//
// A figure is the median of its rounds. A ratio is formed round by round first, since the two figures of one round were
// measured within seconds of each other, and then the median is taken. What was not measured is shown as “–”, with the
// reason under “Left out” when there is one.
package main
