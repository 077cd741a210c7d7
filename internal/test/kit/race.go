//go:build race

package kit

// raceDetector tells that the tests, and so the commands that they run, have the race detector.
const raceDetector = true
