//go:build !race

package kit

// RaceDetector is false: see race.go.
const RaceDetector = false
