package daemon

import (
	"fmt"
	"net"
	"os"
	"time"

	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/metrics"
	"distcache/internal/daemon/metrics/web"
	"distcache/internal/version"
)

const (
	// metricsBacklog is how many connections of -metrics may wait to be accepted.
	metricsBacklog = 16
	// metricsDescriptors is how many descriptors -metrics takes: the socket, its file and
	// directory, the connections, and one that a scrape reads /proc with.
	metricsDescriptors = 16
	// metricsMemory is what rendering takes of the heap, in bytes, with a margin.
	metricsMemory = 8 << 20
)

// webServer is the HTTP server of -metrics. A nil one does nothing.
type webServer struct {
	config   web.Config
	socket   *listen.Socket
	listener net.Listener
	server   *web.Server // nil until it serves
}

// listenWeb opens the socket of -metrics, which may need privileges.
func (d *running) listenWeb() error {
	if d.plan.metrics == nil {
		return nil
	}
	socket, err := d.plan.metrics.Open()
	if err != nil {
		return fmt.Errorf("-metrics %w", err)
	}
	d.warn(socket.Warnings...)
	d.web = &webServer{socket: socket, config: web.Config{
		Program: d.config.Program,
		Version: version.Version(),
		Pprof:   d.config.Flags.Metrics.Pprof,
		Events:  func() []metrics.Event { return eventsOf(d.log.Recent()) },
	}}
	file := os.NewFile(uintptr(socket.FD), "-metrics")
	defer file.Close() // the listener has a descriptor of its own
	socket.FD = -1
	d.web.listener, err = net.FileListener(file)
	return err
}

// serve begins to serve, beside the loops.
func (w *webServer) serve(m *metrics.Monitor) {
	if w == nil {
		return
	}
	w.config.Monitor = m
	w.server = web.New(w.listener, w.config)
	go w.server.Serve()
}

// close ends the server and its connections.
func (w *webServer) close() {
	if w != nil && w.server != nil {
		w.server.Close()
	}
}

// unlink removes the socket file.
func (w *webServer) unlink() error {
	if w == nil {
		return nil
	}
	return w.socket.Unlink()
}

// eventsOf gives lines of the log as the page shows them.
func eventsOf(lines []logging.Event) []metrics.Event {
	all := make([]metrics.Event, 0, len(lines))
	for _, l := range lines {
		all = append(all, metrics.Event{Time: l.Time.UTC().Format(time.RFC3339Nano), Level: l.Level.String(), Text: l.Text, Times: l.Times})
	}
	return all
}
