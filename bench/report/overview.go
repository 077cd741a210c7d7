package main

import (
	"distcache/bench/stat"
)

// cpuTable has the processor time per operation: a row for each target, a column for each number of clients.
func cpuTable(f *figures, keepAlive bool) *table {
	return clientTable(f, keepAlive, func(target string, clients int) string {
		return spread(f.cpu(proxyCell(target, clients, keepAlive)))
	})
}

// floorTable has the same over the floor.
func floorTable(f *figures, keepAlive bool) *table {
	return clientTable(f, keepAlive, func(target string, clients int) string {
		return times(overFloor(f, target, clients, keepAlive))
	})
}

func overFloor(f *figures, target string, clients int, keepAlive bool) stat.Spread {
	return stat.Ratio(f.cpu(proxyCell(target, clients, keepAlive)), f.cpu(proxyCell(floor, clients, keepAlive)))
}

func clientTable(f *figures, keepAlive bool, text func(target string, clients int) string) *table {
	clients := f.clients(keepAlive)
	head := []string{style(keepAlive) + " clients"}
	for _, n := range clients {
		head = append(head, count(n))
	}
	t := newTable(head...)
	for _, target := range f.targets("proxy") {
		row := []string{target}
		for _, n := range clients {
			row = append(row, text(target, n))
		}
		t.add(row...)
	}
	return t
}
