package service

import (
	"fmt"
	"os"
	"os/user"
	"reflect"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// playLookup looks args[0] up, below another root if there is args[1].
func playLookup(args []string) int {
	if len(args) > 1 {
		syscall.Chroot(args[1])
	}
	u, err := LookupUser(args[0])
	fmt.Println(u.UID, u.GID, u.Groups, err)
	return 0
}

func TestLookupUser(t *testing.T) {
	needRoot(t)
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("no user nobody here: %v", err)
	}
	byName, err := LookupUser("nobody")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(byName.UID, byName.GID); got != nobody.Uid+" "+nobody.Gid {
		t.Errorf("nobody: got %s, want %s %s", got, nobody.Uid, nobody.Gid)
	}
	byNumber, err := LookupUser(nobody.Uid)
	if err != nil {
		t.Fatal(err)
	}
	byNumber.Name = byName.Name
	if !reflect.DeepEqual(byNumber, byName) {
		t.Errorf("%s: got %v, want %v", nobody.Uid, byNumber, byName)
	}
	rows := []struct {
		name string
		text string
	}{
		{"no-such-user", "no-such-user"},
		{"", "-user : "},
		{"3999999999", "-user 3999999999: "},
		{"-1", "-user -1: "},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := LookupUser(row.name)
			if err == nil || !strings.Contains(err.Error(), row.text) {
				t.Errorf("got %v, want an error with %q", err, row.text)
			}
		})
	}
}

func TestLookupUserNeedsRoot(t *testing.T) {
	needRoot(t)
	p := startRole(t, "lookup", asNobody, "daemon")
	p.expect(t, "0 0 [] -user daemon: "+ErrNeedRoot.Error())
}

// TestLookupOneself: a process may name the user that it runs as. Root is told that it keeps its privileges.
func TestLookupOneself(t *testing.T) {
	me := strconv.Itoa(os.Geteuid())
	u, err := LookupUser(me)
	if err != nil || !u.Kept || (u.Warning() != "") != (me == "0") {
		t.Errorf("got %v, %v, warning %q, want the user kept, with a warning for root", u, err, u.Warning())
	}
}

// TestLookupUserWithoutAccounts looks up where there is no /etc/passwd.
func TestLookupUserWithoutAccounts(t *testing.T) {
	needRoot(t)
	p := startRole(t, "lookup", nil, "nobody", t.TempDir())
	if got := p.line(t); !strings.HasPrefix(got, "0 0 [] -user nobody: ") {
		t.Errorf("got %q, want an error that names the user", got)
	}
}

func TestNewUser(t *testing.T) {
	rows := []struct {
		name, uid, gid string
		want           string
	}{
		{"own group alone", "4000000000", "4000000001", "{x 4000000000 4000000001 [4000000001] false} <nil>"},
		{"uid that means none", "4294967295", "1", `ID "4294967295" is not a number below 4294967295`},
		{"gid that means none", "1", "4294967295", `ID "4294967295" is not a number below 4294967295`},
		{"uid beyond 32 bits", "4294967296", "1", `ID "4294967296" is not a number below 4294967295`},
		{"no number", "1", "S-1-5", "S-1-5"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			u, err := newUser("x", &user.User{Uid: row.uid, Gid: row.gid, Username: "no-such-user"})
			if got := fmt.Sprint(u, " ", err); !strings.Contains(got, row.want) {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}
