package agent

import "testing"

func BenchmarkForward(b *testing.B)    { benchmark(b, forwardLoops(b)) }
func BenchmarkShortLived(b *testing.B) { benchmark(b, shortLivedLoops(b)) }
func BenchmarkMemcached(b *testing.B)  { benchmark(b, memcachedLoops(b)) }
func BenchmarkLocal(b *testing.B)      { benchmark(b, localLoops(b)) }
func BenchmarkLoss(b *testing.B)       { benchmark(b, lossLoops(b)) }
func BenchmarkSpread(b *testing.B)     { benchmark(b, spreadLoops(b)) }
func BenchmarkDatagrams(b *testing.B)  { benchmark(b, datagramLoops(b)) }
func BenchmarkCache(b *testing.B)      { benchmark(b, cacheLoops(b)) }

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
