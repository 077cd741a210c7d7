package engine

import (
	"testing"

	"golang.org/x/sys/unix"

	"distcache/engine/socket"
)

// TestLimitsAreKnownByTheirCause: what the poller says of a full kernel names the call, too.
func TestLimitsAreKnownByTheirCause(t *testing.T) {
	for _, row := range []struct {
		why  error
		want bool
	}{
		{unix.EMFILE, true},
		{socket.Error("epoll_ctl add", unix.ENOMEM), true},
		{socket.Error("epoll_ctl add", unix.ENOSPC), true},
		{unix.EPERM, false},
		{errNobody, false},
		{errBlocking, false},
	} {
		if got := isLimit(row.why); got != row.want {
			t.Errorf("%v: got %v, want %v", row.why, got, row.want)
		}
	}
}
