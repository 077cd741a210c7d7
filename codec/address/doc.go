// Package address reads and writes the addresses that the tools take for -listen, -server and -connect, in the libnal
// syntax of PROTOCOL.md, section "Addresses".
//
// It needs the standard library alone. Parsing is pure: it resolves no name and looks at no file. The methods Resolve and
// Dial of an Address, Lookup and DialAny use the network, and may block. Package listen opens what ParseListen returns.
//
// A program that speaks TLS says so: it calls ParseSecureListen or ParseSecureConnect. The other parsers refuse TLS:, so
// that no program takes such an address for one of plain TCP.
//
//	UNIX:/path                    a unix stream socket
//	IP:port, IP::port             every IPv4 interface, to listen only
//	IPv6:port                     every IPv6 interface, to listen only
//	IP:host:port, IP:[v6]:port    a host name or address, of either family
//	IPv4:host:port, IPv6:…        the same, of that family alone
//	TLS:port, TLS:host:port       as IP:, with TLS on the connection
//	FD:n                          a descriptor that was passed in, to listen only
//	systemd                       all sockets that systemd passed in, to listen only
//	systemd:name                  of these, the ones of that name (FileDescriptorName=)
package address
