// Small charts: an hour of calls as bars, and who was at fault as one divided bar.

import { svg } from "./dom.js";

const MINUTES = 60;
const HEIGHT = 40;
const WIDTH = 4; // of a minute

/** Calls a minute, failed ones at the foot, with the p99 as a line above its own scale. */
export function hour(name, minutes) {
  const most = Math.max(1, ...minutes.map((each) => each.calls));
  const slowest = Math.max(1, ...minutes.map((each) => each.p99_ms || 0));
  const calls = minutes.reduce((sum, each) => sum + each.calls, 0);
  const failed = minutes.reduce((sum, each) => sum + each.failed, 0);
  const x = (each) => (MINUTES - 1 - each.ago) * WIDTH;
  const bar = (each, count, kind) => {
    const height = count ? Math.max(1.5, (count / most) * HEIGHT) : 0;
    return svg("rect", { class: kind, x: x(each), y: HEIGHT - height, width: WIDTH - 1, height });
  };
  const line = minutes.map((each) => `${x(each) + WIDTH / 2},${(HEIGHT - (each.p99_ms / slowest) * (HEIGHT - 4) - 2).toFixed(1)}`);
  return svg("svg", {
    class: "hour", viewBox: `0 0 ${MINUTES * WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `${name}, the last hour: ${calls} calls, ${failed} failed`,
  },
    minutes.map((each) => bar(each, each.calls, "calls")),
    minutes.map((each) => bar(each, each.failed, "failed")),
    svg("polyline", { class: "p99", points: line.join(" ") }));
}

/** Parts of a whole side by side: [[kind, count], ...]. */
export function shares(label, parts) {
  const total = parts.reduce((sum, [, count]) => sum + count, 0);
  let left = 0;
  return svg("svg", { class: "shares", viewBox: "0 0 100 6", preserveAspectRatio: "none", role: "img", "aria-label": label },
    parts.map(([kind, count]) => {
      const width = total ? (count / total) * 100 : 0;
      const part = svg("rect", { class: kind, x: left, y: 0, width, height: 6 });
      left += width;
      return part;
    }));
}

/** When each piece of one call began and how long it took: [{label, kind, from, to}] in ms. */
export function timeline(label, pieces, total) {
  const height = 14;
  const end = Math.max(total, 0.1, ...pieces.map((each) => each.to));
  return svg("svg", {
    class: "timeline", viewBox: `0 0 100 ${pieces.length * height}`, height: pieces.length * height, preserveAspectRatio: "none", role: "img", "aria-label": label,
  },
    pieces.map((each, i) => svg("rect", {
      class: each.kind, x: (each.from / end) * 100, y: i * height + 2,
      width: Math.max(0.5, ((each.to - each.from) / end) * 100), height: height - 4,
    }, svg("title", {}, each.label))));
}
