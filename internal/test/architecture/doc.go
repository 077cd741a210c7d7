// Package architecture holds which package may import which: a test reads every source
// file of the module. The rules are in rules_test.go, each with its reason. Another test
// holds docs/RELIABILITY.md to the tests that it names.
package architecture
