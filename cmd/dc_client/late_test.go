package main

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestLateAnswersAreLogged: a dc_server farther away than -timeout is named, when it is
// connected to and when requests have failed for it.
func TestLateAnswersAreLogged(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	up.On(func(kit.Request) bool { return true }).Do(kit.Late(260 * time.Millisecond))
	process, at := startAsIs(t, up.Endpoint())
	process.WaitStderr(patience, "takes longer than -timeout to answer the first request")
	client := kit.Dial(t, at)
	for uid := range uint32(3) {
		client.ExpectStatus(kit.Have(uid, "nobody's"), codec.StatusDisconnected)
	}
	process.WaitStderr(patience, "did not answer in time") // its figures: TestLateAnswersAreReported
}
