package protocols

import "errors"

// ErrAnswer is returned by ParseAnswer when the bytes cannot become an answer to the request; the text shows them.
var ErrAnswer = errors.New("no such answer")
