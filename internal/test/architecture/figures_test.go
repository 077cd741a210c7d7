package architecture

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"distcache/internal/agent"
	"distcache/internal/daemon"
	"distcache/internal/daemon/metrics"
	"distcache/internal/server"
	"distcache/internal/store/redis"
)

// metricsDocument is made from the tables of figures:
//
//	go test ./internal/test/architecture -run TestMetricsDocument -update
const metricsDocument = "../../../docs/METRICS.md"

var update = flag.Bool("update", false, "write docs/METRICS.md")

// daemons are the tables of both, with what they have in common apart.
var daemons = []struct {
	title   string
	figures []metrics.Description
	plan    metrics.Plan
}{
	{"Both daemons", common(), metrics.Plan{}},
	{"dc_client", without(agent.Figures(), common()), agent.Show},
	{"dc_server", without(append(server.Figures(), redis.Figures()...), common()), server.Show},
}

// common is what both daemons have in their tables.
func common() []metrics.Description {
	all := daemon.Figures()
	for _, d := range agent.Figures() {
		for _, other := range server.Figures() {
			if d.Name == other.Name && d.Help == other.Help {
				all = append(all, d)
			}
		}
	}
	return append(all, metrics.MistakeFigure)
}

func without(all, those []metrics.Description) []metrics.Description {
	var rest []metrics.Description
	for _, d := range all {
		found := false
		for _, other := range those {
			found = found || d.Name == other.Name
		}
		if !found {
			rest = append(rest, d)
		}
	}
	return rest
}

const metricsHead = `# Metrics

Made from the tables of figures in the source (` + "`make metrics-doc`" + `); a test holds this page to them.

Both daemons serve these with ` + "`-metrics IP:127.0.0.1:9190`" + ` (or ` + "`UNIX:/path`" + `): as Prometheus metrics at /metrics, as JSON at
/figures.json, and the most important ones on a status page at /. ` + "`dc_test -stats address`" + ` prints them as a table, and
SIGUSR1 and the end of a daemon log those that have a key in the column “line”. /healthz answers 503 when an event loop does not answer within a
second, /readyz when dc_client has no connection to dc_server. What the Go runtime and the process tell (go_…, process_…)
comes with /metrics. The figures are at most a second old. Counters begin at 0 with each start.

Under systemd the flag goes into /etc/default/distcache-client or -server, which have it as an example; the units allow it.
` + "`systemctl status`" + ` shows the first line of the page without it. contrib/prometheus has alerts, contrib/grafana a dashboard.

Durations come as histograms whose buckets are powers of two nanoseconds; the page computes its quantiles from finer ones,
to a sixteenth. Sizes come as histograms whose buckets are powers of two. With several loops (-loops) the figures of all are
added, but for those by loop. The label front is the protocol that the clients speak: distcache,
memcached or sessiond.
`

func document() string {
	var b strings.Builder
	b.WriteString(metricsHead)
	for _, d := range daemons {
		fmt.Fprintf(&b, "\n## %s\n\n| metric | kind | labels | line | meaning |\n|---|---|---|---|---|\n", d.title)
		for _, f := range d.figures {
			fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", f.Name, f.Kind, strings.Join(f.Labels, ", "), f.Line, f.Help)
		}
		if len(d.plan.Mistakes) > 0 {
			fmt.Fprintf(&b, "\nMistakes of the site that %s looks for in the last 15 minutes; each is logged once, when it is found and when it has gone:\n\n"+
				"| mistake | what it means | remedy |\n|---|---|---|\n", d.title)
			for _, m := range d.plan.Mistakes {
				fmt.Fprintf(&b, "| %s | %s | %s |\n", m.ID, m.Title, m.Remedy)
			}
		}
	}
	return b.String()
}

func TestMetricsDocument(t *testing.T) {
	want := document()
	if *update {
		if err := os.WriteFile(metricsDocument, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(metricsDocument)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/METRICS.md is not what the tables say: make metrics-doc")
	}
}

var figureName = regexp.MustCompile(`^distcache(_[a-z0-9]+)+$`)

// TestFiguresAreNamedWell: as Prometheus wants it, and each once.
func TestFiguresAreNamedWell(t *testing.T) {
	for _, figures := range [][]metrics.Description{append(daemon.Figures(), agent.Figures()...), append(daemon.Figures(), server.Figures()...)} {
		seen, keys := map[string]bool{}, map[string]bool{}
		for _, f := range figures {
			total := strings.HasSuffix(f.Name, "_total")
			base := strings.TrimSuffix(f.Name, "_total")
			switch {
			case seen[f.Name]:
				t.Errorf("%s: there twice", f.Name)
			case f.Line != "" && keys[f.Line]:
				t.Errorf("%s: the key %s is there twice in the line", f.Name, f.Line)
			case !figureName.MatchString(f.Name):
				t.Errorf("%s: want distcache_words", f.Name)
			case (f.Kind == metrics.Counter) != total:
				t.Errorf("%s: it is a %s, and _total is for counters", f.Name, f.Kind)
			case (f.Unit == metrics.Seconds) != strings.HasSuffix(base, "_seconds"), (f.Unit == metrics.Bytes) != strings.HasSuffix(base, "_bytes"):
				t.Errorf("%s: the name does not say the unit %q", f.Name, f.Unit)
			case f.Help == "" || strings.HasSuffix(f.Help, "."):
				t.Errorf("%s: want a help without a full stop, got %q", f.Name, f.Help)
			}
			seen[f.Name], keys[f.Line] = true, true
		}
	}
}
