package listen

import (
	"errors"
	"io/fs"
)

// Again opens a new socket at the path of s, whose file is gone. The rules are those of Open: the file of another process
// is left alone, and the new one gets the owner, group and permissions of the options. s stays as it is.
//
// Any goroutine may call it, also while s is closed, but only one in the process at a time, and only while no other one
// creates files: for an instant it sets the umask.
func (s *Socket) Again() (*Socket, error) {
	p := &Plan{addr: s.addr, backlog: s.backlog, access: s.access}
	var err error
	if p.dir, err = openDirectory(s.addr.Path); err != nil { // the directory may be another one by now
		return nil, p.named(err)
	}
	defer p.Close()
	return p.Open()
}

// keepAccess notes what Again needs, once the file has its owner, group and mode. The group counts also where the
// options do not name it: with other privileges a new file would get another one, and its members might connect instead.
func (s *Socket) keepAccess(want access, backlog int) error {
	const group, others = 0o020, 0o002
	st, err := s.file.stat()
	if err != nil {
		return err
	}
	if want.mode&group>>3 != want.mode&others {
		want.gid = int(st.Gid)
	}
	s.access, s.backlog = want, backlog
	return nil
}

// IsFinal reports whether an error of Again stays so: this process may not do what it takes. It is so after -user, where
// the directory or the owner is that of another user.
func IsFinal(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrNotTaken)
}
