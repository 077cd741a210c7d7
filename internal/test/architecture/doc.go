// Package architecture holds which package may import which: a test reads every source
// file of the module. The rules are in rules_test.go, each with its reason; layers_test.go
// has the order of the packages, and those that link no poller. Another test holds
// docs/RELIABILITY.md to the tests that it names.
package architecture
