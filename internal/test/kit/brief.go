package kit

import "fmt"

// brief shows bytes in a failure's message: all of a few, the beginning of many.
func brief(b []byte) string {
	const most = 64
	if len(b) <= most {
		return fmt.Sprintf("%x", b)
	}
	return fmt.Sprintf("%x… (%d bytes)", b[:most], len(b))
}
