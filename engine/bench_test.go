//go:build !race

package engine

import (
	"fmt"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// BenchmarkOperation is over a unix socket, with both sides in this process. Beside the
// time that passes it reports the time of both processors together, which says more on a
// machine that is busy with something else.
func BenchmarkOperation(b *testing.B) {
	for _, op := range operations {
		for _, clients := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("op=%s/clients=%d", op.name, clients), func(b *testing.B) {
				srv, _ := serveEcho(b, op.endTurn)
				d := newDrive(b, srv.at, clients)
				defer d.close()
				b.ReportAllocs()
				from := kit.OwnCPU(b)
				for b.Loop() {
					op.do(d, b)
				}
				b.ReportMetric(float64(kit.OwnCPU(b)-from)/float64(time.Duration(b.N)), "cpu-ns/op")
			})
		}
	}
}

// BenchmarkPost is a function posted from another goroutine and waited for.
func BenchmarkPost(b *testing.B) {
	srv, _ := serveEcho(b, false)
	done := make(chan struct{})
	fn := func() { done <- struct{}{} }
	b.ReportAllocs()
	for b.Loop() {
		if err := srv.Post(fn); err != nil {
			b.Fatal(err)
		}
		<-done
	}
}
