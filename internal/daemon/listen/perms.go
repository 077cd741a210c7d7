package listen

import (
	"fmt"
	"strconv"
)

// ParsePerms reads the permissions of a socket file, as -sockperms takes them: three octal digits, or four of which the
// first is 0. Its error wraps ErrPerms and quotes the text.
func ParsePerms(text string) (uint32, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || len(text) < 3 || len(text) > 4 || mode > 0o777 {
		return 0, fmt.Errorf("%q %w", text, ErrPerms)
	}
	return uint32(mode), nil
}

// permsWarning tells of a mode that gives somebody read permission without write permission, or is "".
func permsWarning(mode uint32) string {
	const read, write = 0o444, 0o222
	better := mode | (mode&read)>>1&write
	if better == mode {
		return ""
	}
	return fmt.Sprintf("-sockperms %03o: on Linux connecting needs write permission, and here some may read who may not "+
		"write; to let all of them connect use %03o", mode, better)
}
