// What happened to one call: why it failed, its attempts, the events around them.

import { english, h, ms, svg, table } from "./dom.js";
import { t } from "./texts.js";

/** Why it failed, what was sent, and what happened around it. */
export function course(call) {
  return [
    call.why ? h("p", {}, h("b", {}, t("Why: ")), english(call.why)) : null,
    h("h2", {}, t("Attempts")),
    call.attempts.length ? attempts(call) : h("p", {}, t("None: nothing was sent.")),
    call.events.length ? [h("h2", {}, t("What happened")), table([t("At"), t("What"), t("More")], call.events.map((each) => [ms(each.at_ms), english(each.what), english(detail(each.detail))]))] : [],
  ];
}

export function outcome({ code, type }) {
  return code === 0 ? t("fine") : h("span", { class: "alarm" }, `${type} (${code})`);
}

function attempts(call) {
  const pieces = call.attempts.map((each) => ({
    label: t("attempt {}", each.number), kind: each.code === 0 ? "none" : "downstream", from: each.started_ms, to: each.started_ms + each.elapsed_ms,
  }));
  return [
    timeline(t("{} attempts over {}", call.attempts.length, ms(call.elapsed_ms)), pieces, call.elapsed_ms),
    table([t("Attempt"), t("Host"), t("Began at"), t("First byte"), t("Took"), t("HTTP status"), t("Outcome")], call.attempts.map((each) => [
      String(each.number), each.host ?? "–", ms(each.started_ms), ms(each.first_byte_ms), ms(each.elapsed_ms), each.status ?? "–", outcome(each),
    ])),
  ];
}

function detail(value) {
  return value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** When each piece of one call began and how long it took: [{label, kind, from, to}] in ms. */
function timeline(label, pieces, total) {
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
