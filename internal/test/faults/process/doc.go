// Package process has no code but tests: of whole daemons that panic, hang, are stopped,
// traced, starved of CPU, locked up in an empty root directory, and raced by attackers while
// they start, by the entries O and R09 of docs/RELIABILITY.md.
package process
