package upstream

// State is where the connection to dc_server stands. Requests are forwarded in Up alone.
//
//	      Start, retry time              Connected              probe answered
//	Down ───────────────▶ Connecting ───────────────▶ Probing ───────────────▶ Up
//	 ▲                        │                          │                      │
//	 └────────────────────────┴──────── failed ──────────┴──────── lost ────────┘
type State uint8

// The states.
const (
	Down       State = iota // waiting for the time of the next attempt
	Connecting              // resolving the name, connecting
	Probing                 // connected, not yet known to be a cache server that answers
	Up
)

// String gives the name used in logs and metrics.
func (s State) String() string {
	switch s {
	case Down:
		return "down"
	case Connecting:
		return "connecting"
	case Probing:
		return "probing"
	case Up:
		return "up"
	}
	return "unknown"
}
