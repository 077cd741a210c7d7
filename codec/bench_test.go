package codec

import "testing"

func BenchmarkParseHeader(b *testing.B) { benchmark(b, parseHeaderLoops(b)) }
func BenchmarkAssembler(b *testing.B)   { benchmark(b, assembleLoops(b)) }
func BenchmarkSetUID(b *testing.B)      { benchmark(b, setUIDLoops(b)) }
func BenchmarkAppend(b *testing.B)      { benchmark(b, appendLoops(b)) }
func BenchmarkPayload(b *testing.B)     { benchmark(b, payloadLoops(b)) }
func BenchmarkAdd(b *testing.B)         { benchmark(b, addLoops(b)) }

func benchmark(b *testing.B, loops []loop) {
	for _, l := range loops {
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(l.bytes))
			for b.Loop() {
				l.run()
			}
		})
	}
}
