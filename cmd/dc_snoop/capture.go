package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/listen"
	"golang.org/x/sys/unix"
)

// flow makes the TCP packets that stand for a connection, whatever its sockets are.
type flow struct {
	number uint64
	next   [2]uint32 // the next sequence number, by direction
}

// open is the three-way handshake.
func (f *flow) open(at time.Time) []packet {
	return []packet{
		f.control(at, codec.Request, flagSYN),
		f.control(at, codec.Response, flagSYN|flagACK),
		f.segment(at, codec.Request, flagACK, nil),
	}
}

// refuse is an attempt to connect that fails.
func (f *flow) refuse(at time.Time) []packet {
	return []packet{f.control(at, codec.Request, flagSYN), f.segment(at, codec.Response, flagRST|flagACK, nil)}
}

// data is a segment of at most 65,495 bytes, which are copied.
func (f *flow) data(at time.Time, dir codec.Direction, chunk []byte) packet {
	p := f.segment(at, dir, flagPSH|flagACK, bytes.Clone(chunk))
	f.next[dir] += uint32(len(chunk))
	return p
}

// finish is the end of one direction.
func (f *flow) finish(at time.Time, dir codec.Direction, broken bool) packet {
	if broken {
		return f.segment(at, dir, flagRST|flagACK, nil)
	}
	return f.control(at, dir, flagFIN|flagACK)
}

// control is a segment that uses a sequence number.
func (f *flow) control(at time.Time, dir codec.Direction, flags byte) packet {
	p := f.segment(at, dir, flags, nil)
	f.next[dir]++
	return p
}

func (f *flow) segment(at time.Time, dir codec.Direction, flags byte, payload []byte) packet {
	p := packet{at: at, conn: f.number, dir: dir, flags: flags, seq: f.next[dir], payload: payload}
	if flags&flagACK != 0 {
		p.ack = f.next[codec.Response-dir]
	}
	return p
}

// The form of a capture (pcap, with nanoseconds, of Ethernet frames). All its numbers are
// little-endian.
const (
	captureMagic    = 0xa1b23c4d
	captureVersion  = 2 | 4<<16 // 2.4
	captureSnapLen  = 65535
	captureEthernet = 1
)

// The lengths of the headers, in bytes.
const (
	recordHeader   = 16
	ethernetHeader = 14
	ipHeader       = 20
	tcpHeader      = 20
)

// The flags of a TCP segment.
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagPSH = 0x08
	flagACK = 0x10
)

// The addresses of a connection in a capture, whatever its sockets are: connection n goes from
// 10.0.0.0 plus n to 192.0.2.1 port 9001, a documentation address and dc_server's usual port.
// Beyond 2^24 connections the port of the client goes up.
const (
	serverIP   = 192<<24 | 0<<16 | 2<<8 | 1
	serverPort = 9001
	clientIP   = 10 << 24
	clientBits = 24
	clientPort = 40000
)

// packet is one TCP segment of a capture.
type packet struct {
	at       time.Time
	conn     uint64
	dir      codec.Direction
	flags    byte
	seq, ack uint32
	payload  []byte
}

// size is roughly the memory that the packet takes, in bytes.
func (p *packet) size() int { return 128 + len(p.payload) }

// captureHeader is the beginning of a capture.
func captureHeader() []byte {
	var b []byte
	for _, n := range []uint32{captureMagic, captureVersion, 0, 0, captureSnapLen, captureEthernet} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	return b
}

// append appends the packet as a record of a capture: time, length and frame.
func (p *packet) append(dst []byte) []byte {
	length := uint32(ethernetHeader + ipHeader + tcpHeader + len(p.payload))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.at.Unix()))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(p.at.Nanosecond()))
	dst = binary.LittleEndian.AppendUint32(dst, length)
	dst = binary.LittleEndian.AppendUint32(dst, length)
	return p.appendFrame(dst)
}

// appendFrame appends the Ethernet frame. The hardware addresses are locally administered
// ones that end in 1 for the client and 2 for the server.
func (p *packet) appendFrame(dst []byte) []byte {
	from, to := byte(1), byte(2)
	if p.dir == codec.Response {
		from, to = to, from
	}
	dst = append(dst, 2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, from, 0x08, 0x00)
	start := len(dst)
	dst = p.appendIP(dst)
	putChecksum(dst[start+10:], sum(0, dst[start:]))
	start = len(dst)
	dst = p.appendTCP(dst)
	putChecksum(dst[start+16:], sum(p.pseudoHeader(), dst[start:]))
	return dst
}

// ends returns the addresses and ports of the sender and the receiver.
func (p *packet) ends() (from, to uint32, fromPort, toPort uint16) {
	ip := clientIP + uint32(p.conn&(1<<clientBits-1))
	port := clientPort + uint16(p.conn>>clientBits)
	if p.dir == codec.Response {
		return serverIP, ip, serverPort, port
	}
	return ip, serverIP, port, serverPort
}

// appendIP appends an IPv4 header without its checksum.
func (p *packet) appendIP(dst []byte) []byte {
	const (
		versionAndLength = 4<<4 | ipHeader/4
		dontFragment     = 0x40
		timeToLive       = 64
		protocolTCP      = 6
	)
	from, to, _, _ := p.ends()
	dst = append(dst, versionAndLength, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(ipHeader+tcpHeader+len(p.payload)))
	dst = append(dst, 0, 0, dontFragment, 0, timeToLive, protocolTCP, 0, 0)
	dst = binary.BigEndian.AppendUint32(dst, from)
	return binary.BigEndian.AppendUint32(dst, to)
}

// appendTCP appends the segment without its checksum.
func (p *packet) appendTCP(dst []byte) []byte {
	const window = 65535
	_, _, from, to := p.ends()
	dst = binary.BigEndian.AppendUint16(dst, from)
	dst = binary.BigEndian.AppendUint16(dst, to)
	dst = binary.BigEndian.AppendUint32(dst, p.seq)
	dst = binary.BigEndian.AppendUint32(dst, p.ack)
	dst = append(dst, tcpHeader/4<<4, p.flags)
	dst = binary.BigEndian.AppendUint16(dst, window)
	dst = append(dst, 0, 0, 0, 0) // checksum, urgent pointer
	return append(dst, p.payload...)
}

// pseudoHeader is the sum of the fields that a TCP checksum covers beside the segment.
func (p *packet) pseudoHeader() uint64 {
	const protocolTCP = 6
	from, to, _, _ := p.ends()
	return uint64(from>>16) + uint64(from&0xffff) + uint64(to>>16) + uint64(to&0xffff) +
		protocolTCP + uint64(tcpHeader+len(p.payload))
}

// sum adds the 16-bit words of b.
func sum(total uint64, b []byte) uint64 {
	for ; len(b) > 1; b = b[2:] {
		total += uint64(b[0])<<8 | uint64(b[1])
	}
	if len(b) == 1 {
		total += uint64(b[0]) << 8
	}
	return total
}

// putChecksum writes the Internet checksum of words that add up to total.
func putChecksum(b []byte, total uint64) {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	binary.BigEndian.PutUint16(b, ^uint16(total))
}

// createCapture makes the file of -pcap, which only the owner may read: it holds secrets. An
// older file there is replaced, because other users may have it open. A device, or a named pipe
// of one's own that is being read, is written to. Anything else there is an error. Without -pcap
// it returns nil.
func createCapture(path string) (*os.File, error) {
	if path == "" {
		return nil, nil
	}
	file, err := openCapture(path)
	if err != nil {
		return nil, fmt.Errorf("-pcap: %w", err)
	}
	return file, nil
}

func openCapture(path string) (*os.File, error) {
	var st unix.Stat_t
	err := os.NewSyscallError("lstat", unix.Lstat(path, &st))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case err != nil:
	case kind == unix.S_IFREG:
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("cannot replace the older file: %w", err)
		}
	case kind == unix.S_IFIFO, kind == unix.S_IFCHR:
		return openExisting(path)
	default:
		return nil, fmt.Errorf("%s is %s: give the path of a regular file", path, listen.FileKind(st.Mode))
	}
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
}

// openExisting opens a device or a named pipe, without waiting for a reader of the pipe.
func openExisting(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if errors.Is(err, unix.ENXIO) {
		return nil, fmt.Errorf("%w: start its reader first", err)
	}
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	st := info.Sys().(*syscall.Stat_t)
	switch kind := st.Mode & unix.S_IFMT; {
	case kind != unix.S_IFIFO && kind != unix.S_IFCHR:
		err = fmt.Errorf("%s was replaced by another file", path)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		err = fmt.Errorf("%s is %s of user %d, who could read the secrets", path, listen.FileKind(st.Mode), st.Uid)
	default:
		return file, nil
	}
	return nil, errors.Join(err, file.Close())
}
