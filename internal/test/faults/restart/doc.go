// Package restart has no code but tests: of whole daemons that are started, checked,
// restarted, replaced and upgraded under load, by the entries T, V and K of
// docs/RELIABILITY.md.
package restart
