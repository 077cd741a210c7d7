// Package credentials is the certificates of a TLS address: the flags -tlscert, -tlskey, -tlsca, -tlscrl, -tlsname and
// -tlsallow, the files that they name, and who may connect.
//
//	flags ─▶ Flags.Validate ─▶ New ─▶ Load ─▶ Config, for each handshake
//	                                   ▲
//	                        SIGHUP ────┘ reads all files anew; if one is bad, all of the old ones stay
//
// Messages name the flag, the file and the reason. They never hold a byte of a key.
package credentials
