package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// endWait is how long the end of a daemon waits for the lock on the socket's path. It is short because a file that
// is left does no harm: the next start finds that no process listens on it and removes it.
const endWait = time.Second

// boundFile is the file of a socket, held by an O_PATH descriptor. While that is open, the number of the inode is not given
// to another file, even after this one has been removed.
type boundFile struct {
	fd   int
	id   fileID
	mode uint32 // when it was opened
}

// fileID tells one file from all others that exist at the same time.
type fileID struct{ dev, ino uint64 }

func identity(st unix.Stat_t) fileID {
	return fileID{dev: uint64(st.Dev), ino: st.Ino}
}

// siocUnixFile is SIOCUNIXFILE of linux/un.h: it opens the file that a unix socket is bound to.
const siocUnixFile = unix.SIOCPROTOPRIVATE

// openBound opens the file that the socket was bound to. A user who may write to the directory can put another file in its
// place at any time, so openBound asks the kernel for the file of the socket itself. That takes CAP_NET_ADMIN. Without it
// openBound finds the file by its name, and checks it: an attacker could at worst have moved another socket of the same
// user there.
func openBound(socket int, dir *directory) (*boundFile, error) {
	fd, err := unix.IoctlRetInt(socket, siocUnixFile)
	if err == nil {
		return newBoundFile(fd)
	}
	return openByName(dir)
}

// openByName opens the file at the path, and checks that bindUnix could have made it.
func openByName(dir *directory) (*boundFile, error) {
	fd, err := openRetrying(dir.fd, dir.base, unix.O_PATH|unix.O_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrGone
	}
	if err != nil {
		return nil, err
	}
	f, err := newBoundFile(fd)
	if err != nil {
		return nil, err
	}
	st, err := f.stat()
	if err == nil && !freshSocket(st) {
		err = ErrReplaced
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func newBoundFile(fd int) (*boundFile, error) {
	f := &boundFile{fd: fd}
	st, err := f.stat()
	if err != nil {
		f.close()
		return nil, err
	}
	f.id, f.mode = identity(st), st.Mode
	return f, nil
}

func freshSocket(st unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFSOCK && st.Mode&0o7777&creationUmask == 0 && st.Nlink == 1 &&
		int(st.Uid) == unix.Geteuid()
}

func (f *boundFile) stat() (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstat(f.fd, &st)
	return st, os.NewSyscallError("fstat", err)
}

func (f *boundFile) close() { _ = unix.Close(f.fd) }

// grant gives the file its owner, group and mode, in this order, and checks that it has them.
func (f *boundFile) grant(want access) error {
	if err := f.chown(want.uid, want.gid); err != nil {
		return err
	}
	if err := f.chmod(want.mode); err != nil {
		return err
	}
	st, err := f.stat()
	if err != nil {
		return err
	}
	if st.Mode&0o7777 != want.mode || !has(st.Uid, want.uid) || !has(st.Gid, want.gid) {
		return ErrNotTaken
	}
	return nil
}

func has(id uint32, want int) bool { return want == unchanged || int(id) == want }

func (f *boundFile) chown(uid, gid int) error {
	if uid == unchanged && gid == unchanged {
		return nil
	}
	if err := unix.Fchownat(f.fd, "", uid, gid, unix.AT_EMPTY_PATH); err != nil {
		return fmt.Errorf("-sockowner, -sockgroup: cannot give the socket to %s: %w",
			ownerText(uid, gid), os.NewSyscallError("fchownat", err))
	}
	return nil
}

func ownerText(uid, gid int) string {
	switch unchanged {
	case uid:
		return "group " + strconv.Itoa(gid)
	case gid:
		return "user " + strconv.Itoa(uid)
	}
	return fmt.Sprintf("user %d and group %d", uid, gid)
}

// chmod sets the mode, unless the file has it already: not every kernel can.
func (f *boundFile) chmod(mode uint32) error {
	st, err := f.stat()
	if err != nil || st.Mode&0o7777 == mode {
		return err
	}
	if unix.Fchmodat(f.fd, "", mode, unix.AT_EMPTY_PATH) == nil {
		return nil
	}
	return f.chmodThroughProc(mode)
}

// chmodThroughProc is for kernels before 6.6, where chmod(2) takes no O_PATH descriptor.
func (f *boundFile) chmodThroughProc(mode uint32) error {
	err := os.NewSyscallError("chmod", unix.Chmod("/proc/self/fd/"+strconv.Itoa(f.fd), mode))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("cannot set the socket's permissions to %03o: that needs /proc, or Linux 6.6: %w", mode, err)
	}
	return fmt.Errorf("cannot set the socket's permissions to %03o: %w", mode, err)
}

// probe connects to the socket. It returns nil if no process listens on it. It goes by the descriptor, so that the socket
// that is asked is the one that will be removed, whatever has come to path meanwhile. Without /proc it goes by path, and
// looks before and after whether the socket is there.
func (f *boundFile) probe(path string) error {
	err := connect("/proc/self/fd/" + strconv.Itoa(f.fd))
	if err == unix.ENOENT {
		if f.standsAt(unix.AT_FDCWD, path) != nil {
			return ErrReplaced
		}
		if err = connect(path); f.standsAt(unix.AT_FDCWD, path) != nil {
			return ErrReplaced
		}
	}
	switch err {
	case unix.ECONNREFUSED:
		return nil
	case nil, unix.EAGAIN: // EAGAIN: a process listens, but its backlog is full
		return ErrInUse
	case unix.EPROTOTYPE:
		return fmt.Errorf("%w, on a socket of another type", ErrInUse)
	default:
		return fmt.Errorf("%w: %w", ErrUnclear, os.NewSyscallError("connect", err))
	}
}

// connect returns the plain error of socket(2) or connect(2).
func connect(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path})
}

// standsAt tells whether name, in the directory of that descriptor, is this file: nil, ErrGone or ErrReplaced.
func (f *boundFile) standsAt(dirfd int, name string) error {
	var st unix.Stat_t
	err := os.NewSyscallError("fstatat", unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrGone
	case err != nil:
		return err
	case identity(st) != f.id:
		return ErrReplaced
	}
	return nil
}

// removeFrom removes the file if it is still in the directory. The lock keeps another daemon from putting its
// own socket there between the check and the removal. Where there cannot be a lock, as on a full disk, the check must do.
func (f *boundFile) removeFrom(dir *directory) error {
	if err := f.standsAt(dir.fd, dir.base); errors.Is(err, ErrGone) || errors.Is(err, ErrReplaced) {
		return nil
	}
	if dir.held == nil {
		if err := dir.lock(endWait); errors.Is(err, ErrLocked) {
			return err
		}
	}
	err := f.standsAt(dir.fd, dir.base)
	switch {
	case errors.Is(err, ErrGone), errors.Is(err, ErrReplaced):
		return nil
	case err != nil:
		return err
	}
	return dir.unlink()
}
