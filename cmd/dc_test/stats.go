package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"distcache/codec/address"
	"distcache/internal/daemon/metrics"
)

const (
	// statsLimit bounds what is read of an answer, in bytes.
	statsLimit = 4 << 20
	// helpWidth is where the explanations are cut, in bytes.
	helpWidth = 100
)

// stats is -stats: it prints the figures of a daemon as a table.
func stats(c *config, stdout, _ io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.load.AnswerLimit)
	defer cancel()
	all, err := readFigures(ctx, c.stats)
	if err != nil {
		return fmt.Errorf("-stats %s: %w", c.stats, err)
	}
	return writeFigures(stdout, all)
}

// readFigures asks the HTTP server of -metrics.
func readFigures(ctx context.Context, at address.Address) (*metrics.Figures, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return at.Dial(ctx) },
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/figures.json", nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, explain(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("got %q: is that the address of -metrics?", answer.Status)
	}
	all := &metrics.Figures{}
	if err := json.NewDecoder(io.LimitReader(answer.Body, statsLimit)).Decode(all); err != nil {
		return nil, fmt.Errorf("not a distcache daemon: %w", err)
	}
	return all, nil
}

// explain takes the made-up URL out of an error of the HTTP client, and adds a hint to one of its
// protocol.
func explain(err error) error {
	if outer := (*url.Error)(nil); errors.As(err, &outer) {
		err = outer.Err
	}
	if dial := (*net.OpError)(nil); errors.As(err, &dial) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: is that the address of -metrics?", err)
}

// writeFigures writes one line for each value. Values of 0 that have labels are left out.
func writeFigures(w io.Writer, all *metrics.Figures) error {
	fmt.Fprintf(w, "%s %s\n", all.Program, all.Version)
	for _, s := range all.Status {
		state := "well"
		if !s.Ready {
			state = "NOT READY"
		}
		fmt.Fprintf(w, "%s: %s for %s", state, s.Text, metrics.Text(s.For, metrics.Seconds))
		if s.Loops > 1 {
			fmt.Fprintf(w, " (%d event loops)", s.Loops)
		}
		fmt.Fprintln(w)
		if s.Detail != "" {
			fmt.Fprintf(w, "  %s\n", s.Detail)
		}
	}
	for _, m := range all.Mistakes {
		fmt.Fprintf(w, "MISTAKE: %s (%s)\n  %s\n", m.Title, m.Seen, m.Remedy)
	}
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range all.Figures {
		help := f.Help
		if len(help) > helpWidth {
			help = strings.TrimSpace(help[:helpWidth]) + "..."
		}
		for _, v := range f.Values {
			if len(v.Labels) > 0 && v.Value == 0 {
				continue
			}
			fmt.Fprintf(table, "%s\t%s\t%s\n", rowName(f.Name, v.Labels), valueText(f, v), help)
			help = ""
		}
	}
	return table.Flush()
}

// rowName is, for example: requests GET.
func rowName(name string, labels []string) string {
	name = strings.TrimPrefix(name, "distcache_")
	for _, suffix := range []string{"_total", "_seconds", "_bytes"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return strings.Join(append([]string{strings.ReplaceAll(name, "_", " ")}, labels...), " ")
}

func valueText(f metrics.FigureValues, v metrics.Value) string {
	switch {
	case f.Kind != metrics.Durations && f.Kind != metrics.Sizes:
		return metrics.Text(v.Value, f.Unit)
	case v.Spread == nil:
		return "none"
	}
	text := func(value float64) string {
		if f.Kind == metrics.Sizes {
			return metrics.Text(value, f.Unit)
		}
		return time.Duration(value * float64(time.Second)).Round(time.Microsecond).String()
	}
	return fmt.Sprintf("%d: half within %s, 90%% %s, 99%% %s, all %s", v.Count, text(v.Spread.P50), text(v.Spread.P90), text(v.Spread.P99), text(v.Spread.Max))
}
