package page

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"distcache/internal/test/kit"
)

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server", "dc_test"}, Parallel: 2}.Run(m)
}

// findBrowser finds Chromium, or skips the test with a line.
func findBrowser(t *testing.T) string {
	if os.Getenv("DISTCACHE_PAGE") == "" {
		t.Skip("make test-page runs this")
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no chromium: apt-get install chromium")
	return ""
}

var metricsAt = regexp.MustCompile(` metrics=IP:(\S+)`)

// site is both daemons under load.
type site struct {
	client, server     *kit.Process
	clientAt, serverAt string // where their pages are
}

func startSite(t *testing.T) *site {
	r := kit.NewRig(t)
	s := &site{}
	var at kit.Endpoint
	s.server, at = r.Server("-metrics", "IP:127.0.0.1:0", "-sessions", "3000")
	var socket kit.Endpoint
	s.client, socket = r.Client(at, "-metrics", "IP:127.0.0.1:0", "-timeout", "1000")
	r.Run("dc_test", "-connect", socket.String(), "-clients", "8", "-rate", "400", "-duration", "300s", "-mix", "tls12", "-lossy")
	s.clientAt = metricsAt.FindStringSubmatch(s.client.Stderr())[1]
	s.serverAt = metricsAt.FindStringSubmatch(s.server.Stderr())[1]
	return s
}

// views are the themes and widths that the page is looked at in.
var views = []struct {
	name          string
	width, height int
	theme         string
}{
	{"wide-light", 1280, 900, "light"}, {"wide-dark", 1280, 900, "dark"},
	{"narrow-light", 360, 780, "light"}, {"narrow-dark", 360, 780, "dark"},
}

// pictures is the directory that the pictures are kept in.
func pictures(t *testing.T) string {
	directory := os.Getenv("DISTCACHE_PAGE")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	return directory
}

// TestPage looks at the pages of both daemons under load, and of dc_client when the plug of dc_server is pulled.
func TestPage(t *testing.T) {
	b := openBrowser(t, findBrowser(t))
	s := startSite(t)
	for _, daemon := range []struct{ name, at string }{{"dc_client", s.clientAt}, {"dc_server", s.serverAt}} {
		b.do("Page.navigate", map[string]any{"url": "http://" + daemon.at + "/"}, nil)
		// a second point of the history, so that there are rates
		b.wait("document.querySelectorAll('#plots .card').length > 0 && last.plots[0].points.length > 2 && last.plots[0].points.at(-1) > 0")
		if daemon.name == "dc_server" { // with -sessions 3000
			b.wait("document.querySelector('#mistakes').textContent.includes('sessions are needed')")
		}
		for _, view := range views {
			b.look(view.width, view.height, view.theme)
			holdLayout(t, b, daemon.name+" "+view.name)
			b.picture(filepath.Join(pictures(t), daemon.name+"-"+view.name+".png"))
		}
		holdSpeech(t, b)
		holdKeyboard(t, b)
	}
	holdOutage(t, b, s)
	for _, fault := range b.faults {
		if !strings.Contains(fault, "ERR_CONNECTION_REFUSED") && !strings.Contains(fault, "ERR_EMPTY_RESPONSE") { // of the daemon that was stopped
			t.Errorf("the browser complains: %s", fault)
		}
	}
}

// contrasts computes, in the page, the least contrast of any text with what is behind it, after WCAG 2.
const contrasts = `(() => {
	const rgba = (c) => { const m = c.match(/[\d.]+/g).map(Number); const k = c.startsWith("color(") ? 255 : 1;
		return [m[0] * k, m[1] * k, m[2] * k, m[3] === undefined ? 1 : m[3]]; };
	const over = (a, b) => [0, 1, 2].map((i) => a[i] * a[3] + b[i] * (1 - a[3])).concat(1);
	const behind = (e) => { if (!e) return [255, 255, 255, 1]; const c = rgba(getComputedStyle(e).backgroundColor);
		return c[3] === 1 ? c : over(c, behind(e.parentElement)); };
	const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
		return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	let worst = [99, ""];
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()) || e.closest("svg, noscript") || !e.getClientRects().length) continue;
		const ground = behind(e), a = light(over(rgba(getComputedStyle(e).color), ground)), b = light(ground);
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < worst[0]) worst = [ratio, e.textContent];
	}
	return { ratio: worst[0], text: worst[1] };
})()`

// holdLayout: nothing runs out of the page, and all text can be read.
func holdLayout(t *testing.T, b *browser, view string) {
	t.Helper()
	var page struct{ Inner, Scroll int }
	b.eval("({inner: innerWidth, scroll: document.documentElement.scrollWidth})", &page)
	if page.Scroll > page.Inner {
		t.Errorf("%s: the page is %d wide in a window of %d", view, page.Scroll, page.Inner)
	}
	var worst struct {
		Ratio float64
		Text  string
	}
	b.eval(contrasts, &worst)
	if worst.Ratio < 4.5 {
		t.Errorf("%s: got a contrast of %.1f for %q, want 4.5", view, worst.Ratio, worst.Text)
	}
}

// holdSpeech: a screen reader has the state, and a sentence for each plot.
func holdSpeech(t *testing.T, b *browser) {
	t.Helper()
	spoken := b.spoken()
	for _, want := range []string{"heading: dc_", "region: Status", "image: Operations per second, the last ", "heading: Last events", "navigation: Other forms"} {
		if !strings.Contains(spoken, want) {
			t.Errorf("got no %q for a screen reader, in:\n%s", want, spoken)
		}
	}
}

// holdKeyboard: Tab reaches the skip link first and then the plots, and arrow keys read single values.
func holdKeyboard(t *testing.T, b *browser) {
	t.Helper()
	b.eval("(document.activeElement.blur(), true)", new(bool))
	b.press("Tab", 9)
	var focused string
	b.eval("document.activeElement.className", &focused)
	if focused != "skip" {
		t.Errorf("got %q focused first, want the skip link", focused)
	}
	b.press("Tab", 9)
	b.eval("document.activeElement.className", &focused)
	if focused != "plot" {
		t.Errorf("got %q focused next, want a plot", focused)
	}
	var outline string
	b.eval("getComputedStyle(document.activeElement).outlineStyle", &outline)
	if outline != "solid" {
		t.Errorf("got an outline that is %s, want it to be seen", outline)
	}
	b.press("ArrowLeft", 37)
	b.press("ArrowLeft", 37)
	if got := b.text("#plots .card .scale"); !strings.Contains(got, "ago") {
		t.Errorf("got %q below the plot, want a time and a value", got)
	}
}

// holdOutage: the page says what happened when dc_server, and then dc_client, is gone.
func holdOutage(t *testing.T, b *browser, s *site) {
	t.Helper()
	b.do("Page.navigate", map[string]any{"url": "http://" + s.clientAt + "/"}, nil)
	b.wait("document.querySelector('#status .good')")
	s.server.Signal(syscall.SIGKILL)
	b.wait("document.querySelector('#status .bad') && document.title.startsWith('⚠')")
	b.wait("document.querySelector('#events').textContent.includes('lost dc_server')")
	for _, view := range views {
		b.look(view.width, view.height, view.theme)
		holdLayout(t, b, "outage "+view.name)
		b.picture(filepath.Join(pictures(t), "outage-"+view.name+".png"))
	}
	s.client.Signal(syscall.SIGTERM)
	b.wait("document.body.classList.contains('stale') && document.querySelector('#age').textContent.includes('No answer from the daemon')")
	b.picture(filepath.Join(pictures(t), fmt.Sprintf("gone-%s.png", views[3].name)))
}
