package poll

import (
	"os/exec"
	"strings"
	"testing"
)

// TestP25PollOptDoesNotBuild: with that tag netpoll frees attachments that are in use.
func TestP25PollOptDoesNotBuild(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go tool here to build with")
	}
	out, err := exec.Command(tool, "build", "-tags", "poll_opt", ".").CombinedOutput()
	if err == nil {
		t.Fatal("go build -tags poll_opt: got no error, want one")
	}
	if text := string(out); !strings.Contains(text, "distcache does not build with -tags poll_opt") {
		t.Errorf("got %q, want the reason named", text)
	}
}
