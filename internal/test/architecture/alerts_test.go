package architecture

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"distcache/internal/daemon/metrics"
)

const (
	alertRules = "../../../contrib/prometheus/rules.yml"
	alertTests = "../../../contrib/prometheus/rules_test.yml"
	dashboard  = "../../../contrib/grafana/dashboard.json"
)

// metricUse is a metric in an expression, with what stands between its braces.
var (
	metricUse = regexp.MustCompile(`\b(distcache_[a-z0-9_]+)\b(?:\{([^}]*)\})?`)
	labelUse  = regexp.MustCompile(`([a-z_]+)=`)
	usedBy    = regexp.MustCompile(`by \(([^)]*)\)`)
)

// TestAlertsAndDashboardUseRealMetrics: a metric that was renamed would leave an alert that never comes.
func TestAlertsAndDashboardUseRealMetrics(t *testing.T) {
	labels := map[string][]string{}
	for _, d := range daemons {
		for _, f := range d.figures {
			labels[f.Name] = f.Labels
			if f.Kind == metrics.Durations || f.Kind == metrics.Sizes {
				labels[f.Name+"_sum"], labels[f.Name+"_count"] = f.Labels, f.Labels
				labels[f.Name+"_bucket"] = append(f.Labels, "le")
			}
		}
	}
	for _, name := range []string{alertRules, alertTests, dashboard} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.ReplaceAll(string(text), `\"`, `"`)
		used := metricUse.FindAllStringSubmatch(plain, -1)
		if len(used) < 5 {
			t.Errorf("%s: got %d metrics, want many", name, len(used))
		}
		for _, use := range used {
			has, known := labels[use[1]]
			if !known {
				t.Errorf("%s: there is no metric %s", name, use[1])
			}
			for _, label := range labelUse.FindAllStringSubmatch(use[2], -1) {
				if !strings.Contains(" job instance "+strings.Join(has, " ")+" ", " "+label[1]+" ") {
					t.Errorf("%s: %s has no label %s", name, use[1], label[1])
				}
			}
		}
		for _, by := range usedBy.FindAllStringSubmatch(plain, -1) {
			for _, label := range strings.Split(by[1], ", ") {
				if !strings.Contains(" job instance op status reason level le front server kind ", " "+label+" ") {
					t.Errorf("%s: no metric has the label %s", name, label)
				}
			}
		}
	}
	if text, err := os.ReadFile(dashboard); err != nil || !json.Valid(text) {
		t.Errorf("%s is no JSON: %v", dashboard, err)
	}
}

// TestAlertRules has Prometheus's own tool check the rules, and run their tests.
func TestAlertRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool: apt-get install prometheus")
	}
	for _, args := range [][]string{{"check", "rules", alertRules}, {"test", "rules", alertTests}} {
		if out, err := exec.Command(promtool, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}
