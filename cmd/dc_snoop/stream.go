package main

import "distcache/codec"

// keptBuffer is the most memory, in bytes, that a stream keeps between messages.
const keptBuffer = 4096

// stream finds the messages in one direction of one connection.
type stream struct {
	assembler codec.Assembler
	rest      []byte // the beginning of a message
	opaque    bool   // a byte was corrupt: later messages have no known boundaries
}

func newStream(dir codec.Direction) stream { return stream{assembler: codec.NewAssembler(dir)} }

// feed takes the next bytes and gives each message that they complete to found, which must
// not keep it. When they show corruption it returns the *codec.CorruptError, and all bytes
// from the beginning of that message. Afterwards the stream is opaque, and takes no more.
func (s *stream) feed(chunk []byte, found func(codec.Message)) (undecoded []byte, err error) {
	b := chunk
	if len(s.rest) > 0 {
		s.rest = append(s.rest, chunk...)
		b = s.rest
	}
	for {
		m, err := s.assembler.Next(b)
		if err == codec.ErrShort {
			s.keep(b)
			return nil, nil
		}
		if err != nil {
			s.opaque, s.rest = true, nil
			return b, err
		}
		found(m)
		b = b[len(m.Wire):]
	}
}

// keep holds the beginning of a message until more comes.
func (s *stream) keep(b []byte) {
	if len(b) == 0 && cap(s.rest) > keptBuffer {
		s.rest = nil
		return
	}
	s.rest = append(s.rest[:0], b...)
}
