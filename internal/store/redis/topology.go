package redis

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"strings"
)

// slots is the number of hash slots of a cluster.
const slots = 16384

// slotOf gives the hash slot of a key. Where the key has text in braces, that alone counts: an ID is any bytes, so it may
// have some.
func slotOf(key []byte) int {
	if open := bytes.IndexByte(key, '{'); open >= 0 {
		if length := bytes.IndexByte(key[open+1:], '}'); length > 0 {
			key = key[open+1 : open+1+length]
		}
	}
	crc := uint16(0)
	for _, b := range key {
		crc = crc<<8 ^ crcTable[byte(crc>>8)^b]
	}
	return int(crc % slots)
}

// crcTable is that of CRC16 with the polynomial of XMODEM, as a cluster uses it.
var crcTable = func() (table [256]uint16) {
	for i := range table {
		crc := uint16(i) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
		table[i] = crc
	}
	return table
}()

// slotRange is slots that one server has.
type slotRange struct {
	first, last int
	address     string
}

// topology is which server has which keys.
type topology struct {
	mode   Mode
	ranges []slotRange
}

// one is the topology of a single server.
func one(mode Mode, address string) topology {
	return topology{mode: mode, ranges: []slotRange{{0, slots - 1, address}}}
}

var errEndpoint = errors.New("a server names no usable address of another one")

// endpoint joins a host and a port that a server has named. from is the address of that server: an empty host is its own.
func endpoint(host, port, from string) (string, error) {
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", errEndpoint
	}
	if host == "" {
		own, _, err := net.SplitHostPort(from)
		if err != nil {
			return "", errEndpoint
		}
		host = own
	}
	if strings.ContainsAny(host, "?/ \r\n\t") {
		return "", errEndpoint
	}
	return net.JoinHostPort(host, port), nil
}

// slotLine is one line of CLUSTER SLOTS: first slot, last slot, host and port of the master.
type slotLine struct {
	first, last int64
	host        string
	port        int64
}

// cluster makes the topology of what CLUSTER SLOTS answers. Lines that make no sense are left out; without any that does
// the error is errNoSlots. What has more slots or servers than a cluster can is refused: it would keep the loop busy.
func cluster(lines []slotLine, from string) (topology, error) {
	t := topology{mode: Cluster}
	total, servers := 0, map[string]bool{}
	for _, l := range lines {
		address, err := endpoint(l.host, strconv.FormatInt(l.port, 10), from)
		if err != nil || l.first < 0 || l.last < l.first || l.last >= slots {
			continue
		}
		servers[address] = true
		if total += int(l.last-l.first) + 1; total > slots || len(servers) > maxNodes {
			return topology{}, errGarbage
		}
		t.ranges = append(t.ranges, slotRange{int(l.first), int(l.last), address})
	}
	if len(t.ranges) == 0 {
		return topology{}, errNoSlots
	}
	return t, nil
}

var errNoSlots = errors.New("the cluster has no slots assigned to any server")
