"use strict";
// The page asks for status.json every two seconds while it can be seen. All that comes from there
// goes into the page as text, never as markup.

const every = 2000;
const byId = (id) => document.getElementById(id);
let last = null;      // the document that is shown
let heard = 0;        // when it came
let failure = "";     // why none came since
let timer = 0;

function make(name, cls, ...children) {
  const e = document.createElement(name);
  if (cls) e.className = cls;
  e.append(...children.filter((c) => c !== null && c !== ""));
  return e;
}

function drawing(name, attributes) {
  const e = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  return e;
}

// setText leaves a node alone that has the text already: what is selected stays so, and a screen
// reader is not told of what has not changed.
function setText(e, text) { if (e.textContent !== text) e.textContent = text; }

function ago(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (a, unit, b, small) => (b ? `${a} ${unit} ${b} ${small}` : `${a} ${unit}`);
  if (s < 60) return `${s} s`;
  if (s < 3600) return two(Math.floor(s / 60), "min", s % 60, "s");
  if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor(s / 60) % 60, "min");
  return two(Math.floor(s / 86400), "d", Math.floor(s / 3600) % 24, "h");
}

function clock(date, withDay) {
  const time = date.toLocaleTimeString([], { hour12: false });
  return withDay ? `${date.toLocaleDateString()} ${time}` : time;
}

// sinceText says when something began: the time of day, and the day where that is not today's.
function sinceText(seconds) {
  const began = new Date(Date.now() - seconds * 1000);
  return `since ${clock(began, began.toDateString() !== new Date().toDateString())} (${ago(seconds)})`;
}

// format gives a number and its unit.
function format(value, unit) {
  if (value === null || value === undefined) return ["–", ""];
  switch (unit) {
    case "ratio": return [(100 * value).toFixed(value > 0.9995 || value === 0 ? 0 : 1), "%"];
    case "seconds": return formatSeconds(value);
    case "bytes": return formatBytes(value);
  }
  return formatNumber(value);
}

function formatSeconds(v) {
  if (v < 0.001) return [(v * 1e6).toFixed(0), "µs"];
  if (v < 1) return [(v * 1e3).toPrecision(3), "ms"];
  return [v.toPrecision(3), "s"];
}

function formatBytes(v) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; v >= 1024 && i < units.length - 1; i++) v /= 1024;
  return [i ? v.toPrecision(3) : v.toFixed(0), units[i]];
}

function formatNumber(v) {
  if (v !== 0 && v < 10 && !Number.isInteger(v)) return [v.toFixed(1), ""];
  return [Math.round(v).toLocaleString("en-US"), ""];
}

const written = (value, unit) => format(value, unit).join(" ").trim();

// replaceIfChanged puts new children into e only when what they say has changed.
function replaceIfChanged(e, key, children) {
  if (e.dataset.key === key) return;
  e.dataset.key = key;
  e.replaceChildren(...children());
}

function showStatus(doc) {
  const items = doc.status;
  const section = byId("status");
  replaceIfChanged(section, JSON.stringify(items.map((s) => [s.ready, s.text, s.detail, s.loops])), () =>
    items.map((s) => make("p", "state " + (s.ready ? "good" : "bad"),
      make("strong", "", s.loops > 1 ? `${s.text} (${s.loops} event loops)` : s.text), make("span", "since"), s.detail ? make("span", "detail", s.detail) : "")));
  section.querySelectorAll(".since").forEach((e, i) => setText(e, items[i] ? sinceText(items[i].for) : ""));
}

function showMistakes(doc) {
  replaceIfChanged(byId("mistakes"), JSON.stringify(doc.mistakes), () => doc.mistakes.map((m) =>
    make("div", "mistake", make("h3", "", m.title), make("p", "", m.seen), make("p", "", m.remedy))));
}

const W = 300, H = 72; // of the plots, in their own units

// shown is how many steps of the history a plot has room for: all of a quarter of an hour, but soon
// after the start no more than there can be.
const fewest = 24;
const shown = (doc) => Math.min(doc.steps, Math.max(fewest, doc.plots[0] ? doc.plots[0].points.length : 0));

// geometry gives the place of each point; the newest is at the right edge.
function geometry(plot, steps) {
  const values = plot.points.filter((v) => v !== null);
  const top = plot.unit === "ratio" ? 1 : Math.max(...values, 0) * 1.05 || 1;
  const x = (i) => W - (plot.points.length - 1 - i) * (W / (steps - 1));
  const y = (v) => H - (v / top) * (H - 3);
  return { values, top, x, y };
}

function paths(plot, steps) {
  const { x, y } = geometry(plot, steps);
  let trace = "", area = "", begun = -1;
  const end = (i) => { if (begun >= 0) area += `L${x(i).toFixed(1)} ${H}L${x(begun).toFixed(1)} ${H}Z`; begun = -1; };
  plot.points.forEach((v, i) => {
    if (v === null) return end(i - 1);
    const at = `${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
    trace += (begun < 0 ? "M" : "L") + at;
    area += begun < 0 ? `M${x(i).toFixed(1)} ${H}L${at}` : "L" + at;
    if (begun < 0) begun = i;
  });
  end(plot.points.length - 1);
  return { trace, area };
}

function makeCard(plot) {
  const svg = drawing("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(drawing("path", { class: "area" }), drawing("line", { class: "base", x1: 0, x2: W, y1: H, y2: H }),
    drawing("path", { class: "trace" }), drawing("line", { class: "mark", y1: 0, y2: H, visibility: "hidden" }));
  const figure = make("div", "plot", svg);
  figure.tabIndex = 0;
  figure.setAttribute("role", "img");
  const card = make("li", "card", make("h3", "", plot.title), make("p", "value"), figure, make("p", "scale", make("span"), make("span")));
  figure.addEventListener("pointermove", (e) => mark(card, (e.clientX - figure.getBoundingClientRect().left) / figure.clientWidth));
  figure.addEventListener("pointerleave", () => mark(card, null));
  figure.addEventListener("blur", () => mark(card, null));
  figure.addEventListener("keydown", (e) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: 12, PageDown: -12 }[e.key];
    if (!by) return;
    e.preventDefault();
    moveMark(card, by);
  });
  return card;
}

// mark shows the value at a part of the width of a card's plot, or no longer shows one.
function mark(card, part) {
  const { plot, steps } = card.shown;
  card.marked = part === null ? null : Math.round(part * (steps - 1)) - (steps - plot.points.length);
  drawMark(card);
}

function moveMark(card, by) {
  const newest = card.shown.plot.points.length - 1;
  const at = card.marked === null || card.marked === undefined ? newest + 1 : card.marked;
  card.marked = Math.min(newest, Math.max(0, at + by));
  drawMark(card);
}

function drawMark(card) {
  const { plot, steps, step } = card.shown;
  const line = card.querySelector(".mark"), [left, right] = card.querySelectorAll(".scale span");
  const i = card.marked, on = i !== null && i !== undefined && i >= 0 && i < plot.points.length;
  line.setAttribute("visibility", on ? "visible" : "hidden");
  const { values, x } = geometry(plot, steps);
  if (!on) {
    setText(left, `last ${ago(step * steps)}`);
    setText(right, values.length ? `peak ${written(Math.max(...values), plot.unit)}` : "no values yet");
    return;
  }
  line.setAttribute("x1", x(i));
  line.setAttribute("x2", x(i));
  const back = (plot.points.length - 1 - i) * step;
  setText(left, back ? `${ago(back)} ago` : "now");
  setText(right, written(plot.points[i], plot.unit));
}

// summary is what a screen reader says of a plot.
function summary(plot, doc) {
  const { values } = geometry(plot, shown(doc));
  if (!values.length) return `${plot.title}: no values yet`;
  const say = (v) => written(v, plot.unit);
  return `${plot.title}, the last ${ago(doc.step * plot.points.length)}: from ${say(Math.min(...values))} to ` +
    `${say(Math.max(...values))}, now ${say(plot.points.at(-1))}. Arrow keys read single values.`;
}

function showPlots(doc) {
  const list = byId("plots");
  replaceIfChanged(list, doc.plots.map((p) => p.id).join(), () => doc.plots.map(makeCard));
  doc.plots.forEach((plot, i) => {
    const card = list.children[i];
    card.shown = { plot, steps: shown(doc), step: doc.step };
    const now = plot.points.length ? plot.points.at(-1) : null;
    const [number, unit] = format(now, plot.unit);
    const value = card.querySelector(".value"), text = `${number} ${unit}`;
    if (value.dataset.text !== text) {
      value.dataset.text = text;
      value.replaceChildren(number, ...(unit ? [" ", make("small", "", unit)] : []));
    }
    card.classList.toggle("alarm", plot.good < 0 && now > 0);
    const { trace, area } = paths(plot, shown(doc));
    card.querySelector(".trace").setAttribute("d", trace);
    card.querySelector(".area").setAttribute("d", area);
    card.querySelector(".plot").setAttribute("aria-label", summary(plot, doc));
    drawMark(card);
  });
}

function showEvents(doc) {
  replaceIfChanged(byId("events"), JSON.stringify(doc.events), () => {
    if (!doc.events.length) return [make("li", "none", "No events since the start.")];
    return doc.events.map((e) => {
      const at = new Date(e.time), time = make("time", "", clock(at, false));
      time.dateTime = e.time;
      time.title = at.toLocaleString();
      const times = e.times > 1 ? make("span", "times", `${e.times}×`) : "";
      return make("li", e.level, time, make("span", "level", e.level), make("span", "text", times, times ? " " : "", e.text));
    });
  });
}

function show(doc) {
  setText(byId("program"), doc.program);
  setText(byId("host"), doc.host ? `on ${doc.host}` : "");
  setText(byId("version"), doc.version);
  setText(byId("uptime"), `up ${ago(doc.uptime)}, process ${doc.pid}`);
  document.title = `${doc.ready ? "" : "⚠ "}${doc.program} ${doc.host}`;
  showStatus(doc);
  showMistakes(doc);
  showPlots(doc);
  showEvents(doc);
}

function showAge() {
  const stale = failure !== "";
  document.body.classList.toggle("stale", stale);
  const text = stale
    ? `No answer from the daemon${heard ? " for " + ago((Date.now() - heard) / 1000) : ""}: ${failure}`
    : last ? "Live: renewed every 2 seconds" : "";
  setText(byId("age"), text);
  if (stale && !last) {
    byId("status").replaceChildren(make("p", "state bad", make("strong", "", text)));
    delete byId("status").dataset.key;
  }
}

async function renew() {
  clearTimeout(timer);
  try {
    const answer = await fetch("status.json", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    last = await answer.json();
    heard = Date.now();
    failure = "";
    show(last);
  } catch (e) {
    failure = e.message;
  }
  showAge();
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(renew, every);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden) renew(); });
renew();
