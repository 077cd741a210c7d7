// Package page looks at the status page with a real browser: headless Chromium, driven over a pipe by
// its DevTools protocol. `make test-page` runs it, and keeps the pictures in bin/page.
package page
