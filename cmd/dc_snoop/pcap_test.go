package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// segment is a packet of a capture, as this test reads it: from the formats' definitions and
// not from the code that writes them.
type segment struct {
	at       time.Time
	from, to netip.AddrPort
	seq, ack uint32
	flags    byte
	payload  []byte
}

// readCapture reads a whole file of packets, and holds its headers and checksums.
func readCapture(t *testing.T, path string) []segment {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "4d3cb2a1" + "0200" + "0400" + "00000000" + "00000000" + "ffff0000" + "01000000"
	if got := hex.EncodeToString(b[:min(len(b), 24)]); got != want {
		t.Fatalf("got header %s, want %s", got, want)
	}
	var segments []segment
	for b = b[24:]; len(b) > 0; {
		seconds, nanos := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
		captured, length := binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
		if captured != length || nanos >= 1e9 {
			t.Fatalf("got a record of %d of %d bytes, %d ns, want it whole", captured, length, nanos)
		}
		s := readFrame(t, b[16:16+length])
		s.at = time.Unix(int64(seconds), int64(nanos))
		segments = append(segments, s)
		b = b[16+length:]
	}
	return segments
}

// readFrame reads an Ethernet frame with IPv4 and TCP in it.
func readFrame(t *testing.T, b []byte) segment {
	t.Helper()
	ip := b[14:]
	if b[12] != 8 || b[13] != 0 || ip[0] != 0x45 || ip[9] != 6 || int(binary.BigEndian.Uint16(ip[2:])) != len(ip) {
		t.Fatalf("got frame % x, want Ethernet, IPv4, TCP", b[:34])
	}
	tcp := ip[20:]
	pseudo := append(bytes.Clone(ip[12:20]), 0, 6, byte(len(tcp)>>8), byte(len(tcp)))
	if checksum(ip[:20]) != 0 || checksum(append(pseudo, tcp...)) != 0 {
		t.Errorf("got checksums off by %x and %x, want them right", checksum(ip[:20]), checksum(append(pseudo, tcp...)))
	}
	from, _ := netip.AddrFromSlice(ip[12:16])
	to, _ := netip.AddrFromSlice(ip[16:20])
	return segment{
		from: netip.AddrPortFrom(from, binary.BigEndian.Uint16(tcp)), to: netip.AddrPortFrom(to, binary.BigEndian.Uint16(tcp[2:])),
		seq: binary.BigEndian.Uint32(tcp[4:]), ack: binary.BigEndian.Uint32(tcp[8:]), flags: tcp[13], payload: tcp[tcp[12]>>4*4:],
	}
}

// checksum is the Internet checksum (RFC 1071): 0 over what includes a right one.
func checksum(b []byte) uint16 {
	var sum uint32
	for i, c := range b {
		sum += uint32(c) << (8 * (1 - i%2))
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// exchanges leaves a capture of three connections: requests and answers, undecodable bytes,
// and one that was refused. It returns what each sent.
func exchanges(t *testing.T, path string) [][]byte {
	t.Helper()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint(), "-pcap", path)
	first := bytes.Join([][]byte{kit.Add(1, "id", strings.Repeat("d", 30001), time.Minute), kit.Get(2, "id")}, nil)
	garbage := []byte("no distcache")
	one, two := kit.Dial(t, at), kit.Dial(t, at)
	one.Send(first)
	one.Expect(kit.Status(1, codec.OpAdd, codec.StatusOK), kit.Hit(2, strings.Repeat("d", 30001)))
	if err := one.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	one.ExpectClosed()
	_ = one.Close()
	two.Send(garbage)
	two.ExpectClosed()
	_ = two.Close()
	up.Stop()
	kit.Dial(t, at).ExpectClosed()
	stop(t, p)
	return [][]byte{first, garbage, nil}
}

func TestCapture(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pcap")
	if err := os.WriteFile(path, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	sent := exchanges(t, path)
	segments := readCapture(t, path)
	server := netip.MustParseAddrPort("192.0.2.1:9001")
	for i, bytesSent := range sent {
		client := netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:40000", i+1))
		up, down := reassemble(t, segments, client, server), reassemble(t, segments, server, client)
		if !bytes.Equal(up, bytesSent) {
			t.Errorf("connection %d: got %d bytes to the server, want the %d that were sent", i+1, len(up), len(bytesSent))
		}
		want := 0
		if i == 0 {
			want = len(kit.Status(1, codec.OpAdd, 0)) + len(kit.Hit(2, strings.Repeat("d", 30001)))
		}
		if len(down) != want {
			t.Errorf("connection %d: got %d bytes to the client, want %d", i+1, len(down), want)
		}
	}
	wantFlags(t, segments)
	for _, s := range segments {
		if s.at.Before(before.Truncate(0)) || s.at.After(time.Now()) {
			t.Errorf("got time %v, want one since %v", s.at, before)
		}
	}
}

// TestCaptureIsPrivate: it holds secrets. That it begins well is known before any traffic.
func TestCaptureIsPrivate(t *testing.T) {
	t.Parallel()
	up, path := kit.NewUpstream(t, kit.Unix(t)), filepath.Join(t.TempDir(), "pcap")
	p, _ := start(t, up.Endpoint(), "-pcap", path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info, err)
	}
	stop(t, p)
	if got := readCapture(t, path); len(got) != 0 {
		t.Errorf("got %d packets, want none", len(got))
	}
}

// TestCaptureIsMadeAnew: an older file is replaced and not written to, since another user may
// have it open, or it has a second name.
func TestCaptureIsMadeAnew(t *testing.T) {
	t.Parallel()
	path, second := filepath.Join(t.TempDir(), "pcap"), filepath.Join(t.TempDir(), "second")
	if err := errors.Join(os.WriteFile(path, []byte("older"), 0o644), os.Link(path, second)); err != nil {
		t.Fatal(err)
	}
	up := kit.NewUpstream(t, kit.Unix(t))
	p, _ := start(t, up.Endpoint(), "-pcap", path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v, want mode 0600", info, err)
	}
	if b, err := os.ReadFile(second); string(b) != "older" {
		t.Errorf("got %q, %v in the older file, want it as it was", b, err)
	}
	stop(t, p)
	readCapture(t, path)
}

// TestCaptureIntoAPipe: one's own that is being read, as by Wireshark. Root takes none of
// another user, who could read the secrets.
func TestCaptureIntoAPipe(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	file, err := createCapture(path)
	if err != nil {
		t.Fatalf("got %v, want it open", err)
	}
	_ = file.Close()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(path, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	if _, err := createCapture(path); err == nil || !strings.Contains(err.Error(), "is a named pipe of user 12345, who could read the secrets") {
		t.Errorf("got %v, want it refused", err)
	}
}

// reassemble joins what one end sent: each segment must begin where the last one ended, and
// acknowledge no more than was sent.
func reassemble(t *testing.T, segments []segment, from, to netip.AddrPort) []byte {
	t.Helper()
	var all []byte
	var next, other uint32
	for i, s := range segments {
		if s.from == to && s.to == from {
			other = s.seq + s.takes()
		}
		if s.from != from || s.to != to {
			continue
		}
		if s.seq != next || s.flags&flagACK != 0 && s.ack != other {
			t.Errorf("packet %d: got sequence %d, acknowledged %d, want %d, %d", i+1, s.seq, s.ack, next, other)
		}
		next = s.seq + s.takes()
		all = append(all, s.payload...)
	}
	return all
}

// takes is how many sequence numbers it takes up.
func (s segment) takes() uint32 {
	n := uint32(len(s.payload))
	if s.flags&(flagSYN|flagFIN) != 0 {
		n++
	}
	return n
}

// wantFlags holds the order of the packets that carry nothing.
func wantFlags(t *testing.T, segments []segment) {
	t.Helper()
	names := map[byte]string{0x02: "SYN", 0x12: "SYN+ACK", 0x10: "ACK", 0x11: "FIN", 0x14: "RST", 0x18: ""}
	flags := make(map[byte]string)
	for _, s := range segments {
		number, arrow := s.from.Addr().As4()[3], ">"
		if s.from.Port() == 9001 {
			number, arrow = s.to.Addr().As4()[3], "<"
		}
		if name := names[s.flags]; name != "" {
			flags[number] += arrow + name + " "
		}
	}
	want := map[byte]string{
		1: ">SYN <SYN+ACK >ACK >FIN <FIN ",
		2: ">SYN <SYN+ACK >ACK <FIN >FIN ",
		3: ">SYN <RST ",
	}
	for number, want := range want {
		if flags[number] != want {
			t.Errorf("connection %d: got %q, want %q", number, flags[number], want)
		}
	}
}

// TestCaptureIsReadByTshark: it finds nothing wrong with any packet, and the same bytes.
func TestCaptureIsReadByTshark(t *testing.T) {
	t.Parallel()
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("tshark is not installed")
	}
	path := filepath.Join(t.TempDir(), "pcap")
	sent := exchanges(t, path)
	checks := []string{"-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-r", path}
	odd := "tcp.analysis.flags || tcp.checksum.status != 1 || ip.checksum.status != 1 || _ws.malformed || !tcp"
	if out := runTool(t, tshark, append(checks, "-Y", odd)...); out != "" {
		t.Errorf("got packets that tshark finds odd:\n%s", out)
	}
	payloads := runTool(t, tshark, append(checks, "-Y", "ip.src == 10.0.0.1 && tcp.len > 0", "-T", "fields", "-e", "tcp.payload")...)
	if got := strings.ReplaceAll(payloads, "\n", ""); got != hex.EncodeToString(sent[0]) {
		t.Errorf("got %d bytes from tshark, want the %d that were sent", len(got)/2, len(sent[0]))
	}
}

// runTool returns the standard output of a program.
func runTool(t *testing.T, path string, args ...string) string {
	t.Helper()
	cmd := exec.Command(path, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, stderr.String())
	}
	return stdout.String()
}

// TestClientAddresses: connections stay apart however many there are.
func TestClientAddresses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		conn uint64
		want string
	}{
		{1, "10.0.0.1:40000"},
		{256, "10.0.1.0:40000"},
		{1<<24 - 1, "10.255.255.255:40000"},
		{1 << 24, "10.0.0.0:40001"},
	}
	for _, test := range tests {
		p := packet{conn: test.conn, dir: codec.Request, payload: []byte("odd")}
		s := readFrame(t, p.appendFrame(nil))
		if s.from.String() != test.want || s.to.String() != "192.0.2.1:9001" {
			t.Errorf("connection %d: got %v to %v, want from %s", test.conn, s.from, s.to, test.want)
		}
		p.dir = codec.Response
		if back := readFrame(t, p.appendFrame(nil)); back.from != s.to || back.to != s.from {
			t.Errorf("connection %d: got %v to %v, want the way back", test.conn, back.from, back.to)
		}
	}
}

// TestCaptureCannotBeWritten: that is said, the traffic goes on, and the exit code tells.
func TestCaptureCannotBeWritten(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint(), "-pcap", "/dev/full")
	p.WaitStderr(patience, "-pcap /dev/full: write /dev/full: no space left on device: writing stopped, the traffic goes on")
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "id"), codec.StatusNotOK)
	wantLines(t, p, 2)
	if code := p.Stop(); code != 1 {
		t.Errorf("got exit code %d, want 1", code)
	}
}
