// Package plan is the half of the load generator that needs no socket and no clock: what is asked, what each answer must
// be, and what is counted. Times come in as arguments, in nanoseconds of the run's clock. Package load drives it.
//
//	Config ──▶ Plan ──▶ Stream, one per client ──▶ Pending ──▶ Encoder ──▶ bytes of a Protocol
//	                                                  │
//	           Session, what is known of one ──▶ Judge ◀── Answer
//	                                               │
//	                                               ▼
//	                       Tally (counts, histograms) ──▶ Result ──▶ Report, or a Violation
//
// The same seed gives the same operations. See Config.Seed and Config.Salt.
package plan
