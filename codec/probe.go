package codec

// ProbeMark begins the session ID of a probe: a HAVE with which a program asks whether a service
// answers. Random bytes follow. No session has such an ID, and dc_server does not count probes
// among its operations.
const ProbeMark = "distcache probe\x00"

// ProbeIDLen is the length of a probe's session ID in bytes.
const ProbeIDLen = 32

// IsProbe reports whether a request for this ID is a probe.
func IsProbe(op Op, id []byte) bool {
	return op == OpHave && len(id) == ProbeIDLen && string(id[:len(ProbeMark)]) == ProbeMark
}
