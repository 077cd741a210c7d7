//go:build poll_opt

package poll

// The poll_opt build of netpoll has another interface, and loses attachments to the
// garbage collector: this line does not compile, on purpose.
const _ = "distcache does not build with -tags poll_opt" + 0
