package server

import "testing"

func BenchmarkRequest(b *testing.B) { benchmark(b, requestLoops(b)) }
func BenchmarkAdd(b *testing.B)     { benchmark(b, addLoops(b)) }

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
