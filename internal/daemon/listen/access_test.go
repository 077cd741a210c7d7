package listen

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

func TestParsePerms(t *testing.T) {
	good := map[string]uint32{"000": 0, "440": 0o440, "660": 0o660, "0660": 0o660, "777": 0o777, "0777": 0o777}
	for text, want := range good {
		if got, err := ParsePerms(text); err != nil || got != want {
			t.Errorf("%q: got %03o, %v, want %03o", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "6", "66", "888", "668", "1777", "4755", "00660", "-660", "+660", " 660", "660 ", "0o660", "0x1ff", "u=rw", "6_0",
		"18446744073709551616",
	} {
		_, err := ParsePerms(text)
		if !errors.Is(err, ErrPerms) || !strings.HasPrefix(err.Error(), strconv.Quote(text)) {
			t.Errorf("%q: got %v, want %v, with the text", text, err, ErrPerms)
		}
	}
}

func TestPermsWarning(t *testing.T) {
	tests := []struct {
		perms  uint32
		better string // "" is no warning
	}{
		{0o440, "660"}, {0o400, "600"}, {0o444, "666"}, {0o640, "660"}, {0o644, "666"}, {0o755, "777"},
		{0o660, ""}, {0o600, ""}, {0o666, ""}, {0o777, ""}, {0o622, ""}, {0o000, ""}, {0o220, ""}, {0o110, ""},
	}
	for _, test := range tests {
		got := permsWarning(test.perms)
		switch {
		case test.better == "" && got != "":
			t.Errorf("%03o: got warning %q, want none", test.perms, got)
		case !strings.HasSuffix(got, test.better):
			t.Errorf("%03o: got warning %q, want %s at its end", test.perms, got, test.better)
		}
	}
}

func TestWarningOfOpen(t *testing.T) {
	tests := []struct {
		name string
		opt  Options
		want string // in the only warning; "" is no warning
	}{
		{"nothing asked", Options{Backlog: 16}, ""},
		{"660", Options{Backlog: 16, Perms: "660"}, ""},
		{"440", Options{Backlog: 16, Perms: "440"}, "use 660"},
		{"group alone", Options{Backlog: 16, Group: strconv.Itoa(os.Getegid())}, "use -sockperms 660"},
		{"group and 660", Options{Backlog: 16, Group: strconv.Itoa(os.Getegid()), Perms: "660"}, ""},
		{"backlog", Options{Backlog: 1 << 30}, "net.core.somaxconn"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := mustOpen(t, filepath.Join(tempDirectory(t, 0o755), "s"), test.opt)
			got := strings.Join(s.Warnings, "\n")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) || len(s.Warnings) > 1 {
				t.Errorf("got warnings %q, want %q in one", s.Warnings, test.want)
			}
		})
	}
}

// TestDirectoryWarning: where others can put a socket at the path, the start says so.
func TestDirectoryWarning(t *testing.T) {
	for mode, want := range map[os.FileMode]string{
		0o755: "", 0o770: "", 0o777: "at any time", 0o777 | os.ModeSticky: "while this daemon does not run",
	} {
		s := mustOpen(t, filepath.Join(tempDirectory(t, mode), "s"), Options{Backlog: 16})
		if got := strings.Join(s.Warnings, "\n"); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%v: got warning %q, want %q", mode, got, want)
		}
	}
}

func TestBacklogWarning(t *testing.T) {
	tests := []struct {
		name    string
		backlog int
		limit   string
		want    bool
	}{
		{"below", 128, "4096\n", false},
		{"equal", 4096, "4096\n", false},
		{"above", 4096, "128\n", true},
		{"unreadable", 4096, "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := backlogWarning(test.backlog, test.limit); (got != "") != test.want {
				t.Errorf("got %q, want a warning: %v", got, test.want)
			}
		})
	}
}

// TestOwnersGroup: as with dc_client 1.5, -sockowner alone also gives the file that user's primary group.
func TestOwnersGroup(t *testing.T) {
	me, err := user.Current()
	check(t, err)
	for _, test := range []struct {
		name string
		opt  Options
		gid  int
	}{
		{"name", Options{Owner: me.Username}, os.Getegid()},
		{"number", Options{Owner: me.Uid}, os.Getegid()},
		{"with -sockgroup", Options{Owner: me.Uid, Group: "12345"}, 12345},
		{"number without an account", Options{Owner: "3999999999"}, unchanged},
		{"no owner", Options{}, unchanged},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got, err := resolveAccess(test.opt); err != nil || got.gid != test.gid {
				t.Errorf("got group %d, %v, want %d", got.gid, err, test.gid)
			}
		})
	}
}

// TestUnusedOptions: the options of a socket file do nothing for other addresses, and Open and Check say so.
func TestUnusedOptions(t *testing.T) {
	tests := []struct {
		name, text string
		opt        Options
		warning    string
	}{
		{"all on unix", "UNIX:/tmp/s", Options{Owner: "root", Group: "0", Perms: "660"}, ""},
		{"none on tcp", "IP:127.0.0.1:0", Options{Backlog: 5}, ""},
		{"owner on tcp", "IP:127.0.0.1:0", Options{Owner: "root"}, "-sockowner: no effect on -listen IP:127.0.0.1:0"},
		{"group and perms on tcp", "IP:127.0.0.1:0", Options{Group: "root", Perms: "660"}, "-sockgroup, -sockperms: no effect"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := Inspect(mustParse(test.text), test.opt)
			check(t, err)
			defer p.Close()
			if p.addr.Kind == address.Unix {
				return // TestCheckSaysWhatOpenWould has those
			}
			warnings, err := p.Check()
			check(t, err)
			s, err := p.Open()
			check(t, err)
			check(t, s.Close())
			for _, got := range [][]string{warnings, s.Warnings} {
				if text := strings.Join(got, "\n"); (text == "") != (test.warning == "") || !strings.Contains(text, test.warning) {
					t.Errorf("got %q, want %q", text, test.warning)
				}
			}
		})
	}
}

// TestBadOwners is RELIABILITY.md O15: a wrong name is refused before anything is made.
func TestBadOwners(t *testing.T) {
	tests := []struct {
		name string
		opt  Options
		want error
		says string
	}{
		{"user", Options{Owner: "no-such-user"}, ErrOwner, `-sockowner "no-such-user"`},
		{"group", Options{Group: "no-such-group"}, ErrGroup, `-sockgroup "no-such-group"`},
		{"user id that means unchanged", Options{Owner: "4294967295"}, ErrOwner, "4294967295"},
		{"group id that means unchanged", Options{Group: "4294967295"}, ErrGroup, "4294967295"},
		{"user id below 0", Options{Owner: "-1"}, ErrOwner, "-1"},
		{"group id over 32 bits", Options{Group: "4294967296"}, ErrGroup, "4294967296"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(tempDirectory(t, 0o755), "s")
			_, err := Open(unixAddress(path), test.opt)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want %v, with %q", err, test.want, test.says)
			}
			checkAbsent(t, path)
		})
	}
}

func TestOwners(t *testing.T) {
	needRoot(t)
	const other = 12345
	tests := []struct {
		name     string
		opt      Options
		uid, gid uint32
		mode     uint32
	}{
		{"user by name", Options{Owner: "nobody", Perms: "600"}, nobody, nobody, 0o600},
		{"user by id", Options{Owner: "12345", Perms: "600"}, other, 0, 0o600},
		{"group by id", Options{Group: "12345", Perms: "660"}, 0, other, 0o660},
		{"both", Options{Owner: "nobody", Group: "12345", Perms: "0660"}, nobody, other, 0o660},
		{"user without perms", Options{Owner: "nobody"}, nobody, nobody, 0o755},
		{"root by name", Options{Owner: "root", Group: "root"}, 0, 0, 0o755},
	}
	defer unix.Umask(unix.Umask(0o022))
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(tempDirectory(t, 0o755), "s")
			s := mustOpen(t, path, test.opt)
			st := lstat(t, path)
			if st.Uid != test.uid || st.Gid != test.gid || st.Mode&0o7777 != test.mode {
				t.Errorf("got uid %d, gid %d, mode %03o, want %d, %d, %03o", st.Uid, st.Gid, st.Mode&0o7777, test.uid, test.gid, test.mode)
			}
			check(t, s.Close())
		})
	}
}

// TestWithoutRights opens as an ordinary user, without the privileges that each row takes.
func TestWithoutRights(t *testing.T) {
	needRoot(t)
	open := tempDirectory(t, 0o777)
	closed := tempDirectory(t, 0o755)
	hidden := tempDirectory(t, 0o722)
	sticky := tempDirectory(t, 0o777|os.ModeSticky)
	staleSocket(t, sticky+"/s")
	check(t, os.Chmod(sticky+"/s", 0o666))
	staleSocket(t, open+"/000")
	check(t, os.Chmod(open+"/000", 0))
	tests := []struct{ name, path, options, says string }{
		{"another owner", open + "/s", "root", "-sockowner"},
		{"another group", open + "/s", ",root", "-sockgroup"},
		{"directory that may not be written to", closed + "/s", "", "cannot create the socket in directory " + closed},
		{"directory that may not be searched", hidden + "/s", "", "cannot create the socket in directory " + hidden},
		{"dead socket of another in a sticky directory", sticky + "/s", "", "cannot remove the dead socket"},
		{"socket that may not be connected to", open + "/000", "", "it is unclear whether a process listens"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := snapshot(t, filepath.Dir(test.path))
			h := startHelper(t, "stayer", asNobody(nobody), nil, targetVariable+"=UNIX:"+test.path, pathVariable+"="+test.options)
			line := h.hear()
			if !strings.HasPrefix(line, "error: UNIX:"+test.path) || !strings.Contains(line, test.says) || !strings.Contains(line, "permi") {
				t.Errorf("got %q, want an error with the path, %q and the missing permission", line, test.says)
			}
			if after := snapshot(t, filepath.Dir(test.path)); after != before {
				t.Errorf("the directory: got\n%s\nwant it as before:\n%s", after, before)
			}
		})
	}
}

// TestOpenAsNobody goes the way without CAP_NET_ADMIN, on which the socket's file is found by its name.
func TestOpenAsNobody(t *testing.T) {
	needRoot(t)
	path := filepath.Join(tempDirectory(t, 0o777), "s")
	h := startHelper(t, "stayer", asNobody(nobody), nil, targetVariable+"=UNIX:"+path, pathVariable+"=nobody,,660")
	if line := h.hear(); line != "UNIX:"+path {
		t.Fatalf("got %q, want the address", line)
	}
	st := lstat(t, path)
	if st.Uid != nobody || st.Mode != unix.S_IFSOCK|0o660 {
		t.Errorf("got uid %d, mode %o, want %d and a socket with 660", st.Uid, st.Mode, nobody)
	}
	checkAnswers(t, path)
	if line := h.finish(); line != "closed: <nil>" {
		t.Errorf("at the end: got %q, want no error", line)
	}
	checkAbsent(t, path)
}

// TestFoundByName checks which files are mistaken for the one that was just bound: only another fresh socket.
func TestFoundByName(t *testing.T) {
	tests := []struct {
		name string
		put  func(t *testing.T, path string)
		want error
	}{
		{"a fresh socket", func(t *testing.T, path string) { staleSocket(t, path); check(t, os.Chmod(path, 0o600)) }, nil},
		{"nothing", func(*testing.T, string) {}, ErrGone},
		{"a file", func(t *testing.T, path string) { check(t, os.WriteFile(path, nil, 0o600)) }, ErrReplaced},
		{"a socket open to others", func(t *testing.T, path string) { staleSocket(t, path); check(t, os.Chmod(path, 0o660)) }, ErrReplaced},
		{"a link to a fresh socket", func(t *testing.T, path string) {
			staleSocket(t, path+".target")
			check(t, os.Chmod(path+".target", 0o600))
			check(t, os.Symlink(path+".target", path))
		}, ErrReplaced},
		{"a socket with two names", func(t *testing.T, path string) {
			staleSocket(t, path)
			check(t, os.Chmod(path, 0o600))
			check(t, os.Link(path, path+".too"))
		}, ErrReplaced},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(tempDirectory(t, 0o755), "s")
			test.put(t, path)
			dir, err := openDirectory(path)
			check(t, err)
			defer dir.close()
			f, err := openByName(dir)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if f != nil {
				f.close()
			}
		})
	}
}

func TestFoundByNameOfAnother(t *testing.T) {
	needRoot(t)
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	staleSocket(t, path)
	check(t, os.Chmod(path, 0o600))
	check(t, os.Chown(path, nobody, nobody))
	dir, err := openDirectory(path)
	check(t, err)
	defer dir.close()
	if _, err := openByName(dir); !errors.Is(err, ErrReplaced) {
		t.Errorf("got %v, want %v", err, ErrReplaced)
	}
}

// TestChmodThroughProc goes the way of kernels before 6.6.
func TestChmodThroughProc(t *testing.T) {
	path := filepath.Join(tempDirectory(t, 0o755), "s")
	s := mustOpen(t, path, Options{Perms: "600"})
	check(t, s.file.chmodThroughProc(0o640))
	if st := lstat(t, path); st.Mode != unix.S_IFSOCK|0o640 {
		t.Errorf("mode: got %o, want a socket with 640", st.Mode)
	}
}

// TestWithoutProc is RELIABILITY.md O22: an empty root directory, hence no /proc and no /etc/passwd.
func TestWithoutProc(t *testing.T) {
	needRoot(t)
	h := startHelper(t, "prisoner", nil, nil, pathVariable+"="+tempDirectory(t, 0o755))
	first := h.hear()
	if strings.Contains(first, "that needs /proc, or Linux 6.6") {
		t.Skipf("an older kernel refuses, as it should: %s", first)
	}
	if want := "open: UNIX:/s mode 140660 uid 12345"; first != want {
		t.Fatalf("got %q, want %q", first, want)
	}
	for _, want := range []string{
		"through /proc: cannot set the socket's permissions to 666: that needs /proc, or Linux 6.6",
		"closed: <nil>",
		`by name: UNIX:/s: -sockowner "nobody": neither a known user nor a numeric ID`,
	} {
		if got := h.hear(); !strings.HasPrefix(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
