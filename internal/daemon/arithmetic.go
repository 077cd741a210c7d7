package daemon

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"distcache/internal/daemon/service"
)

// fitDescriptors makes descriptors and clients agree: it raises the limit of the process,
// or lowers MaxClients and gives a warning.
func (c *Config) fitDescriptors() (warning string, err error) {
	return c.fit(service.RaiseNofile)
}

// fit is fitDescriptors; raise gives how many descriptors may be open.
func (c *Config) fit(raise func(want int) (int, error)) (warning string, err error) {
	clients := c.MaxClients
	want := clients + c.ownDescriptors()
	got, err := raise(want)
	if got >= want {
		return "", nil
	}
	c.MaxClients = got - c.ownDescriptors()
	if c.MaxClients < 1 {
		few := fmt.Sprintf("only %d descriptors may be open, and the daemon itself takes %d: too few to serve anybody", got, c.ownDescriptors())
		if err != nil {
			return "", fmt.Errorf("%s: %w", few, err)
		}
		return "", errors.New(few)
	}
	return fmt.Sprintf("only %d descriptors may be open, and %d clients take %d (%d and %d for the daemon itself): "+
		"at most %d clients at a time", got, clients, want, clients, c.ownDescriptors(), c.MaxClients), nil
}

// ownDescriptors is how many descriptors the process needs beside its clients'.
func (c Config) ownDescriptors() int { return otherDescriptors + (c.loops()-1)*loopDescriptors }

// arithmetic shows how the limits that start with the daemon come about.
func (c Config) arithmetic() string {
	return fmt.Sprintf("  descriptors %d = %d clients + %d for the daemon itself\n"+
		"  memory bound %d MiB = %d x (2 x %d MiB buffers + %d clients x %d B + %d MiB tables) + %d MiB program + %d MiB sessions\n",
		c.MaxClients+c.ownDescriptors(), c.MaxClients, c.ownDescriptors(),
		mebibytes(c.memoryBound()), heapSlack, mebibytes(int64(c.PoolBytes)), c.MaxClients, c.perClient(),
		mebibytes(c.Memory.Heap), runtimeMemory>>20, mebibytes(c.Memory.OffHeap))
}

// mebibytes rounds up.
func mebibytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// memoryWarning tells that the bound is more than the machine has, or is "".
func (c Config) memoryWarning() string {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return ""
	}
	return c.compareMemory(int64(info.Totalram) * int64(info.Unit))
}

func (c Config) compareMemory(machine int64) string {
	bound := c.memoryBound()
	if bound <= machine {
		return ""
	}
	return fmt.Sprintf("the memory bound is %d MiB, and this machine has %d MiB: when sessions and clients fill it, "+
		"the kernel may end the daemon", mebibytes(bound), mebibytes(machine))
}
