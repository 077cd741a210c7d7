package seal

import "testing"

// loops are the hot paths. The zero-allocation test and the benchmarks run the same ones.
func loops(tb testing.TB) map[string]func() {
	k := ring(tb, 1, 2)
	id := []byte("0123456789abcdef0123456789abcdef")
	all := map[string]func(){}
	name := make([]byte, 0, NameLen)
	all["name"] = func() { name = k.AppendName(name[:0], id) }
	for text, size := range map[string]int{"/bytes=180": 180, "/bytes=2048": 2048} {
		session := make([]byte, size)
		sealed := make([]byte, 0, size+Overhead)
		all["seal"+text] = func() { sealed = k.Append(sealed[:0], id, session) }
		value := k.Append(nil, id, session)
		opened := make([]byte, 0, size)
		all["open"+text] = func() {
			var err error
			if opened, err = k.AppendOpened(opened[:0], id, value); err != nil {
				tb.Fatal(err)
			}
		}
	}
	return all
}

func BenchmarkSeal(b *testing.B) {
	for name, run := range loops(b) {
		b.Run("op="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
}
