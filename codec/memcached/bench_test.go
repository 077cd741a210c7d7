package memcached

import (
	"strings"
	"testing"
)

// loop is work that tests and benchmarks repeat.
type loop struct {
	name string
	run  func()
}

// loops are what the codec does for a get that is a hit, and for a set, of a session of 160 bytes.
func loops() []loop {
	const key = "mod_ssl-sess:a69fc7669a24ee858750130ecb00e8561486307cf78a39b7a2e6ac47247ac76d"
	const key64 = "h2o:ssl-session-cache:JYkjRocMAj1-8LVUkbmyq_UTM-m9Sn3hoe9Xe56SRE0"
	value := strings.Repeat("v", 160)
	dst, id := make([]byte, 0, 4096), make([]byte, 0, 64)
	var r Request
	get := func(b []byte, isBinary bool) func() {
		return func() {
			if parse(b, isBinary, &r) != nil {
				panic("short")
			}
			id = AppendID(id[:0], r.Key)
			dst = r.Head.AppendTail(append(r.Head.AppendHit(dst[:0], r.Key, len(value)), value...))
		}
	}
	set := func(b []byte, isBinary bool) func() {
		return func() {
			if parse(b, isBinary, &r) != nil {
				panic("short")
			}
			id = AppendID(id[:0], r.Key)
			Life(r.Expiry, nil)
			dst = r.Head.AppendStored(AppendValue(dst[:0], r.Value))
		}
	}
	binaryGet := binaryStore(opGet, len(key64), 0, 0)
	binaryGet = append(binaryGet[:headerSize], key64...)
	binaryGet[4], binaryGet[11] = 0, byte(len(key64))
	binarySet := append(binaryStore(opSet, len(key64), int64(len(value)), 0)[:headerSize+storeExtras], key64+value...)
	return []loop{
		{"op=get proto=text", get([]byte("get "+key+"\r\n"), false)},
		{"op=get proto=binary", get(binaryGet, true)},
		{"op=set proto=text", set([]byte("set "+key+" 0 299 160 \r\n"+value+"\r\n"), false)},
		{"op=set proto=binary", set(binarySet, true)},
		{"op=get proto=text key=other", get([]byte("get 0xe6773f86964575e13545af86d4cc7fb6cae594fe01bb085ccb6ad2320f95b780\r\n"), false)},
	}
}

func BenchmarkCodec(b *testing.B) {
	for _, l := range loops() {
		b.Run(l.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				l.run()
			}
		})
	}
}
