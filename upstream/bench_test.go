package upstream

import "testing"

func BenchmarkMux(b *testing.B)     { benchmark(b, muxLoops(b)) }
func BenchmarkTimeout(b *testing.B) { benchmark(b, timeoutLoops(b)) }
func BenchmarkLink(b *testing.B)    { benchmark(b, linkLoops(b)) }

func benchmark(b *testing.B, loops []loop) {
	for _, l := range loops {
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.run()
			}
		})
	}
}
