// Package process starts the programs that are measured, and makes sure that none outlives the harness: a Launcher ends
// what it started, by process ID, and the kernel does should the harness itself be killed.
package process
