package client

// takeIdle returns the kept connection that was used last and is still good, or nil.
func (c *Client) takeIdle() *conn {
	for {
		kept := c.popIdle()
		if kept == nil || kept.quiet() {
			return kept
		}
		kept.close()
	}
}

func (c *Client) popIdle() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return nil
	}
	kept := c.idle[last]
	c.idle[last] = nil
	c.idle = c.idle[:last]
	kept.used = true
	return kept
}

// release keeps a connection for the next operation, or closes it.
func (c *Client) release(free *conn) {
	if !c.keep(free) {
		free.close()
	}
}

func (c *Client) keep(free *conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.opt.Persistent || c.closed || free.spoilt || len(c.idle) >= c.opt.MaxIdle {
		return false
	}
	c.idle = append(c.idle, free)
	return true
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
