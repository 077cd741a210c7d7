// Package hostile holds tests of whole daemons against hostile, broken and old clients
// (docs/RELIABILITY.md, H). It has no code of its own; what internal/daemon's tests of hostile
// clients hold already is not repeated here.
package hostile
