package load

import "errors"

var (
	// ErrConfig is returned by Validate and Run when a field of Config is out of range; the text names the field.
	ErrConfig = errors.New("bad load configuration")
	// ErrUnreachable is returned by Run when the very first connection fails: nothing listens at the address.
	ErrUnreachable = errors.New("cannot connect")
	// ErrResolve is returned by Run when the host of a TCP address has no address of the family asked for.
	ErrResolve = errors.New("cannot resolve")
	// ErrDescriptors is returned by Run when the limit of open files is too low for so many clients.
	ErrDescriptors = errors.New("too few file descriptors")
	// ErrMix is returned by ParseMix for a text that is no mix.
	ErrMix = errors.New("bad mix")
)
