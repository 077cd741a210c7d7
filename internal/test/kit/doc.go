// Package kit is test support: peers that do exactly what a test tells them, and
// checks on the processes under test. Only tests import it.
//
//	Client ──▶ [Proxy] ──▶ the process under test ──▶ [Proxy] ──▶ Upstream
//	exact       faults                                faults      scripted
//	bytes       on the way                            on the way  dc_server
//
// Client sends and reads exact bytes. Upstream is an honest dc_server in memory that a
// test can make lie, stall and die in every way that a real one may. Proxy spoils what
// passes between two honest ends. Process runs a built binary and Post says whether it
// is as well after a case as it was before.
//
// A case against a dc_client whose server hangs after the probe and one answer:
//
//	up := kit.NewUpstream(t, kit.Loopback())
//	up.Put("id", "data", time.Hour)
//	up.After(2).Do(kit.StopReading)
//	at := kit.Unix(t)
//	p := kit.Start(t, binary, "-listen", at.String(), "-server", up.Endpoint().String())
//	p.WaitListening(kit.Patience, at)
//	c := kit.Dial(t, at)
//	c.Send(kit.Get(1, "id"))
//	c.Expect(kit.Hit(1, "data"))
//	c.ExpectStatus(kit.Get(2, "id"), codec.StatusDisconnected)
//
// Whatever is started ends with the test that started it. Nothing leaves the machine:
// unix sockets in temporary directories, and TCP on 127.0.0.0/8.
package kit
