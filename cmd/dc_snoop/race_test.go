//go:build race

package main

func buildFlags() []string { return []string{"-race"} }
