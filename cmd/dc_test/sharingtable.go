package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// sharingTable is what -tls prints: a line for each session that was offered.
type sharingTable struct {
	sharing *sharing
	lines   []string // cells with tabs between
	shared  []string // methods by which a session was resumed across hosts
	not     []string // and those by which none was
	unknown []string // and those that cannot be tried
}

// cannotTell adds a method that cannot be tried.
func (t *sharingTable) cannotTell(name string, why error) {
	t.lines = append(t.lines, fmt.Sprintf("%s\t-\t-\tcannot tell\t-\t-\t%v", name, why))
	t.unknown = append(t.unknown, name)
}

// add adds what came of a method.
func (t *sharingTable) add(m method, offers []offer) {
	across := false
	for _, o := range offers {
		across = across || o.result == resumed && o.from != o.to
		from := "-"
		if o.from != nowhere {
			from = t.sharing.hosts[o.from]
		}
		t.lines = append(t.lines, strings.Join([]string{m.name(), from, t.sharing.hosts[o.to], o.result, milliseconds(o.took), milliseconds(o.full), o.why}, "\t"))
	}
	if across {
		t.shared = append(t.shared, m.name())
	} else {
		t.not = append(t.not, m.name())
	}
}

func milliseconds(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000)
}

// verdict is errNotShared where nothing is resumed across hosts.
func (t *sharingTable) verdict() error {
	if len(t.shared) == 0 {
		return errNotShared
	}
	return nil
}

// write prints the table and a summary.
func (t *sharingTable) write(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "method\tsession of\toffered to\tresult\tms\tfull ms\tnote")
	for _, line := range t.lines {
		fmt.Fprintln(table, line)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, row := range []struct {
		what    string
		methods []string
	}{{"resumed across hosts", t.shared}, {"not resumed across hosts", t.not}, {"not tried", t.unknown}} {
		if len(row.methods) > 0 {
			fmt.Fprintf(w, "%s: %s\n", row.what, strings.Join(row.methods, "; "))
		}
	}
	checked := "certificates were not checked: -tlsca file checks them"
	if t.sharing.roots != nil {
		checked = "all certificates are good (-tlsca)"
	}
	_, err := fmt.Fprintln(w, checked)
	return err
}
