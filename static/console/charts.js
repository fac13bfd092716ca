// Small charts: an hour of calls as bars, and whose fault failures were as one divided bar.

import { clock, h, ms, svg } from "./dom.js";
import { t } from "./texts.js";

const MINUTES = 60;
const HEIGHT = 40;
const WIDTH = 4; // of a minute
const LINE = 14; // of a timeline, in height
const MIN_SCALE = 10; // calls a minute: one call does not look like a hundred

/** How calls end. */
export const FAULTS = {
  none: t("fine"),
  rejected: t("refused by the service"),
  caller: t("caller’s fault"),
  gateway: t("gateway’s fault"),
  downstream: t("downstream’s fault"),
};

const minuteOf = {}; // name of a chart -> the minute that is looked at, which outlives a drawing

/** Calls a minute, failed ones at the foot, p99 as a line with its own scale; a minute's numbers by pointer and arrow
 * keys. */
export function hour(name, minutes) {
  const scaleCalls = round(Math.max(MIN_SCALE, ...minutes.map((minute) => minute.calls)));
  const scaleMs = round(Math.max(1, ...minutes.map((minute) => minute.p99_ms || 0)));
  const all = t("{} call(s), {} failed in the last hour", sum(minutes, "calls"), sum(minutes, "failed"));
  const pointer = svg("rect", { class: "pointer", width: WIDTH, height: HEIGHT });
  const numbers = h("p", { class: "quiet told" });
  const plot = h("div", {
    id: `hour-${name}`, class: "plot", tabindex: 0,
    role: "slider", "aria-label": t("Minute of {}", name), "aria-valuemin": 1 - MINUTES, "aria-valuemax": 0,
    onpointermove: (event) => look(minuteAt(event)), onpointerleave: () => look(null),
    onblur: () => queueMicrotask(() => plot.isConnected && look(null)), // if only drawn anew, the minute stays
    onfocus: () => look(minuteOf[name] ?? 0), onkeydown: step,
  }, drawing("hour", `${name}: ${all}`, MINUTES * WIDTH, HEIGHT,
    pointer,
    svg("path", { class: "calls", d: bars(minutes, "calls", scaleCalls) }),
    svg("path", { class: "failed", d: bars(minutes, "failed", scaleCalls) }),
    svg("path", { class: "p99", d: line(minutes, scaleMs) })));
  function look(ago) {
    minuteOf[name] = ago;
    pointer.setAttribute("visibility", ago === null ? "hidden" : "visible");
    pointer.setAttribute("x", x(ago) - 0.5);
    plot.ariaValueNow = -ago;
    plot.ariaValueText = tell(minutes, ago ?? 0);
    numbers.textContent = ago === null ? all : plot.ariaValueText;
  }
  function step(event) {
    const to = { ArrowLeft: minuteOf[name] + 1, ArrowRight: minuteOf[name] - 1, Home: MINUTES - 1, End: 0 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    look(withinHour(to));
  }
  look(minuteOf[name] ?? null);
  return h("div", { class: "chart" },
    scale(`${scaleCalls}/min`, h("span", { class: "p99-scale" }, `p99 ${ms(scaleMs)}`)),
    plot, scale(t("−60 min"), "−30", t("now")), numbers);
}

function scale(...words) {
  return h("p", { class: "scale", "aria-hidden": "true" }, words.map((word) => h("span", word)));
}

/** One path for all: a hundred charts are on a page. */
function bars(minutes, count, scaleCalls) {
  return minutes.filter((minute) => minute[count]).map((minute) => {
    const height = Math.max(1, (minute[count] / scaleCalls) * HEIGHT).toFixed(1);
    return `M${x(minute.ago)},${HEIGHT}v-${height}h${WIDTH - 1}v${height}z`;
  }).join("");
}

function x(ago) {
  return (MINUTES - 1 - ago) * WIDTH;
}

/** From minute to minute where they follow each other: nothing is drawn where there were no calls. */
function line(minutes, scaleMs) {
  return minutes.map((minute, at) => {
    const y = HEIGHT - (minute.p99_ms / scaleMs) * (HEIGHT - 2) - 1;
    const point = `${x(minute.ago) + WIDTH / 2},${y.toFixed(1)}`;
    return minutes[at - 1]?.ago === minute.ago + 1 ? `L${point}` : `M${point}L${point}`;
  }).join("");
}

function minuteAt({ currentTarget, clientX }) {
  const { left, width } = currentTarget.getBoundingClientRect();
  return withinHour(MINUTES - 1 - Math.floor(((clientX - left) / width) * MINUTES));
}

function withinHour(ago) {
  return Math.min(MINUTES - 1, Math.max(0, ago));
}

function tell(minutes, ago) {
  const at = clock(Date.now() - ago * 60000, { hour: "2-digit", minute: "2-digit" });
  const minute = minutes.find((item) => item.ago === ago);
  if (!minute) return t("{}: no calls", at);
  const { calls, failed, p50_ms, p99_ms } = minute;
  return t("{}: {} call(s), {} failed, p50 {}, p99 {}", at, calls, failed, ms(p50_ms), ms(p99_ms));
}

/** The next number up of 1, 2, 5, 10, 20, 50, ... */
function round(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].find((step) => step * unit >= value) * unit;
}

function sum(counts, name) {
  return counts.reduce((total, item) => total + item[name], 0);
}

/** How the last hour's calls ended, {kind: number}, as parts of a bar and in numbers. */
export function faults(counts) {
  const parts = Object.entries(FAULTS).map(([kind, words]) => ({ kind, count: counts[kind] ?? 0, words }));
  const total = sum(parts, "count");
  const label = t("{} call(s): {}", total, parts.map(({ count, words }) => `${count} ${words}`).join(", "));
  let left = 0;
  const bar = parts.map(({ kind, count }) => {
    const part = svg("rect", { class: kind, x: left, width: count, height: 1 });
    left += count;
    return part;
  });
  return [
    h("h2", t("Whose fault, over the last hour")),
    drawing("shares", label, total || 1, 1, bar),
    h("ul", { class: "legend" }, parts.map(({ kind, count, words }) => (
      h("li", { class: kind }, h("b", count), ` ${words}`)))),
  ];
}

function drawing(kind, label, width, height, ...children) {
  const viewBox = `0 0 ${width} ${height}`;
  return svg("svg", {
    class: kind, viewBox, height, preserveAspectRatio: "none", role: "img", "aria-label": label,
  }, ...children);
}

/** When each attempt of a call began and how long it took. */
export function timeline(attempts, total) {
  const end = Math.max(total, 0.1, ...attempts.map((attempt) => attempt.started_ms + attempt.elapsed_ms));
  return drawing("timeline", t("{} attempt(s) over {}", attempts.length, ms(total)), end, attempts.length * LINE,
    attempts.map(({ code, started_ms, elapsed_ms }, at) => svg("rect", {
      class: code === 0 ? "none" : "downstream",
      x: started_ms, y: at * LINE + 2, width: Math.max(end / 200, elapsed_ms), height: LINE - 4,
    })));
}
