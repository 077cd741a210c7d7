package main

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"
)

// spoof sends a UDP datagram that says that it comes from another socket. It needs CAP_NET_RAW.
func spoof(from, to string, payload []byte) error {
	source, err := netip.ParseAddrPort(from)
	if err != nil {
		return err
	}
	target, err := netip.ParseAddrPort(to)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	// The kernel fills in the length, the identification and the checksum of the IP header. A UDP
	// checksum of 0 is none.
	packet := []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, unix.IPPROTO_UDP, 0, 0}
	packet = append(packet, source.Addr().AsSlice()...)
	packet = append(packet, target.Addr().AsSlice()...)
	packet = binary.BigEndian.AppendUint16(packet, source.Port())
	packet = binary.BigEndian.AppendUint16(packet, target.Port())
	packet = binary.BigEndian.AppendUint16(packet, uint16(8+len(payload)))
	packet = append(packet, 0, 0)
	packet = append(packet, payload...)
	return unix.Sendto(fd, packet, 0, &unix.SockaddrInet4{Addr: target.Addr().As4()})
}
