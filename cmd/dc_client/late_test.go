package main

import (
	"strings"
	"testing"
	"time"

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
	process.Wait(patience, "line about late answers", func() bool { // its figures: TestLateAnswersAreReported
		client.Answer(kit.Have(1, "nobody's")) // on a busy machine one may be read in time
		return strings.Contains(process.Stderr(), "did not answer in time")
	})
}
