// Small charts: an hour of calls as bars, and whose fault failures were as one divided bar.

import { ms, clock, h, svg } from "./dom.js";
import { t } from "./texts.js";

const MINUTES = 60;
const HEIGHT = 40;
const WIDTH = 4; // of a minute
const LEAST_SCALE = 10; // calls a minute: one call does not look like a hundred

const FAULTS = [
  ["none", t("fine")], ["rejected", t("refused by the service")], ["caller", t("caller’s fault")], ["gateway", t("gateway’s fault")], ["downstream", t("downstream’s fault")],
];

const looked = {}; // name of a chart -> the minute that is looked at, which outlives a drawing

/** Calls a minute, failed ones at the foot, p99 as a line with its own scale; a minute's numbers by pointer and arrow keys. */
export function hour(name, minutes) {
  const most = round(Math.max(LEAST_SCALE, ...minutes.map((each) => each.calls)));
  const slowest = round(Math.max(1, ...minutes.map((each) => each.p99_ms || 0)));
  const calls = minutes.reduce((sum, each) => sum + each.calls, 0);
  const failed = minutes.reduce((sum, each) => sum + each.failed, 0);
  const pointer = svg("rect", { class: "pointer", y: 0, width: WIDTH, height: HEIGHT });
  const drawing = svg("svg", {
    class: "hour", viewBox: `0 0 ${MINUTES * WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": t("{}, the last hour: {} calls, {} failed", name, calls, failed),
  },
    pointer,
    svg("path", { class: "calls", d: bars(minutes, ({ calls: count }) => count / most) }),
    svg("path", { class: "failed", d: bars(minutes, ({ failed: count }) => count / most) }),
    svg("path", { class: "p99", d: line(minutes, slowest) }));
  const told = h("p", { class: "quiet told" });
  const plot = h("div", {
    id: `hour-${name}`, class: "plot", tabindex: 0, role: "slider", "aria-label": t("Minute of {}", name), "aria-valuemin": 1 - MINUTES, "aria-valuemax": 0,
    onpointermove: (event) => look(minuteAt(event)), onpointerleave: () => look(null), onblur: () => queueMicrotask(() => plot.isConnected && look(null)), // if only drawn anew, the minute stays
   
    onfocus: () => look(looked[name] ?? 0), onkeydown: (event) => step(event),
  }, drawing);
  function look(ago) {
    if (ago === null) delete looked[name];
    else looked[name] = ago;
    pointer.setAttribute("visibility", ago === null ? "hidden" : "visible");
    pointer.setAttribute("x", (MINUTES - 1 - (ago ?? 0)) * WIDTH - 0.5);
    const words = tell(minutes, ago ?? 0);
    plot.setAttribute("aria-valuenow", -(ago ?? 0));
    plot.setAttribute("aria-valuetext", words);
    told.textContent = ago === null ? t("{} calls, {} failed in the last hour", calls, failed) : words;
  }
  function step(event) {
    const to = { ArrowLeft: looked[name] + 1, ArrowRight: looked[name] - 1, Home: MINUTES - 1, End: 0 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    look(Math.min(MINUTES - 1, Math.max(0, to)));
  }
  look(looked[name] ?? null);
  return h("div", { class: "chart" },
    h("p", { class: "scale", "aria-hidden": "true" }, h("span", {}, `${most}/min`), h("span", { class: "p99-scale" }, `p99 ${ms(slowest)}`)),
    plot, h("p", { class: "scale", "aria-hidden": "true" }, h("span", {}, t("−60 min")), h("span", {}, "−30"), h("span", {}, t("now"))), told);
}

/** One path for all: a hundred charts are on a page. */
function bars(minutes, share) {
  return minutes.filter(share).map((each) => {
    const height = Math.max(1, share(each) * HEIGHT).toFixed(1);
    return `M${x(each)},${HEIGHT}v-${height}h${WIDTH - 1}v${height}z`;
  }).join("");
}

function x(each) {
  return (MINUTES - 1 - each.ago) * WIDTH;
}

/** From minute to minute where they follow each other: nothing is drawn where there were no calls. */
function line(minutes, slowest) {
  return minutes.map((each, at) => {
    const point = `${x(each) + WIDTH / 2},${(HEIGHT - (each.p99_ms / slowest) * (HEIGHT - 2) - 1).toFixed(1)}`;
    return minutes[at - 1]?.ago === each.ago + 1 ? `L${point}` : `M${point}L${point}`;
  }).join("");
}

function minuteAt(event) {
  const { left, width } = event.currentTarget.getBoundingClientRect();
  return Math.min(MINUTES - 1, Math.max(0, MINUTES - 1 - Math.floor(((event.clientX - left) / width) * MINUTES)));
}

function tell(minutes, ago) {
  const at = clock(Date.now() - ago * 60000, { hour: "2-digit", minute: "2-digit" });
  const one = minutes.find((each) => each.ago === ago);
  return one ? t("{}: {} calls, {} failed, p50 {}, p99 {}", at, one.calls, one.failed, ms(one.p50_ms), ms(one.p99_ms)) : t("{}: no calls", at);
}

/** The next number up of 1, 2, 5, 10, 20, 50, ... */
function round(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((each) => each * unit >= value) * unit;
}

/** How the last hour's calls ended, {kind: number}, as parts of a bar and in numbers. */
export function faults(counts) {
  const parts = FAULTS.map(([kind, words]) => [kind, counts[kind] ?? 0, words]);
  const total = parts.reduce((sum, [, count]) => sum + count, 0);
  return [
    h("h2", {}, t("Whose fault, over the last hour")),
    shares(t("{} calls: {}", total, parts.map(([, count, words]) => `${count} ${words}`).join(", ")), parts, total),
    h("ul", { class: "legend" }, parts.map(([kind, count, words]) => h("li", { class: kind }, h("b", {}, String(count)), ` ${words}`))),
  ];
}

function shares(label, parts, total) {
  let left = 0;
  return svg("svg", { class: "shares", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": label },
    parts.map(([kind, count]) => {
      const width = total ? (count / total) * 100 : 0;
      const part = svg("rect", { class: kind, x: left, y: 0, width, height: 6 });
      left += width;
      return part;
    }));
}
