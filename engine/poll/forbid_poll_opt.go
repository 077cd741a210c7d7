//go:build poll_opt

package poll

// The poll_opt build of netpoll has another interface, and the garbage collector frees
// attachments that are still registered. This line does not compile, on purpose.
const _ = "distcache does not build with -tags poll_opt" + 0
