package load

// Failure is why an operation got no service. It is counted; it does not end the run.
type Failure uint8

// The failures.
const (
	FailedConnect      Failure = iota // the connection was refused, or not made in time
	FailedClosed                      // the connection ended before the answer
	FailedDisconnected                // the answer says that there is no service behind
	FailedTimeout                     // no answer in time; counted when Config.Lossy is set, else a violation
)

// NumFailures is the number of failures: tables by Failure have this length.
const NumFailures = 4

// String returns the name that reports use.
func (f Failure) String() string {
	return [NumFailures]string{"connect", "closed", "disconnected", "timeout"}[f]
}
