package main

import (
	"os"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

// TestSocketFlags: the socket file gets the owner, group and mode that the flags say. Without
// them a socket that only its owner can use is spoken of.
func TestSocketFlags(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	args := []string{"-sockperms", "660"}
	if os.Geteuid() == 0 {
		args = append(args, "-sockowner", "12345", "-sockgroup", "54321")
	}
	p, at := start(t, up.Endpoint(), args...)
	info, err := os.Stat(at.Address)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("got %v, %v, want mode 0660", info, err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if os.Geteuid() == 0 && (owner.Uid != 12345 || owner.Gid != 54321) {
		t.Errorf("got owner %d and group %d, want 12345 and 54321", owner.Uid, owner.Gid)
	}
	stop(t, p)
}

// TestSaysWhoIsShutOut: the mode of a new socket is that of the umask.
func TestSaysWhoIsShutOut(t *testing.T) {
	t.Parallel()
	up, at := kit.NewUpstream(t, kit.Unix(t)), kit.Unix(t)
	p := kit.Start(t, "/bin/sh", "-c", `umask 022; exec "$0" "$@"`,
		kit.Program(t, program), "-listen", at.String(), "-server", up.Endpoint().String())
	p.WaitStderr(patience, "can connect: the socket has mode 0755; -sockowner, -sockgroup and -sockperms change that")
	p.WaitStderr(patience, " ready ")
	stop(t, p)
}
