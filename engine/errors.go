package engine

import "errors"

// errNobody is the reason why accepting rests when a listening socket keeps waking the
// loop and has no connection to give: a unix socket that was shut down does.
var errNobody = errors.New("the listening socket keeps waking us, but nobody is there")

// errFull is the reason why clients are refused.
var errFull = errors.New("as many are connected as may be at a time")
