//go:build race

package kit

// RaceDetector tells that the tests, and so the commands that they run, have the race detector.
const RaceDetector = true
