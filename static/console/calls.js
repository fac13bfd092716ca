// The last failed calls, and what happened to one.

import { get, Refused } from "./api.js";
import { timeline } from "./charts.js";
import { clock, fill, h, ms, table } from "./dom.js";

export async function drawList(main) {
  const calls = await get("/api/v1/calls?failed=true&limit=20");
  fill(main,
    h("h1", {}, "Failed calls"),
    h("p", { class: "quiet" }, "Your last ones within an hour; an admin sees everybody’s."),
    calls.items.length
      ? table(["When", "Call", "What", "Whose fault", "Took"], calls.items.map((each) => [
        clock(each.started_at),
        h("a", { href: `#/calls/${encodeURIComponent(each.request_id)}` }, `${each.service}.${each.method}`),
        `${each.type} (${each.code})`, each.source, ms(each.elapsed_ms),
      ]))
      : h("p", {}, "None: nothing has failed."));
}

/** True when it is not there, which it may be in a moment: it is written beside the calls. */
export async function drawOne(main, id) {
  let calls;
  try {
    const { more, ...first } = await get(`/api/v1/calls/${encodeURIComponent(id)}`);
    calls = [first, ...more]; // a batch made several under one request id
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
    fill(main, back(), h("h1", {}, "No such call"), h("p", {}, "Nobody knows of it yet, it was over an hour ago, or it is somebody else’s."));
    return true;
  }
  fill(main, back(), ...calls.flatMap(details));
  return false;
}

function back() {
  return h("p", {}, h("a", { href: "#/calls" }, "← Failed calls"));
}

function details(call) {
  const ended = call.code === 0 ? "succeeded" : `${call.type} (${call.code}), ${call.source}’s fault,`;
  return [
    h("h1", {}, `${call.service}.${call.method}`),
    h("p", { class: call.code === 0 ? "good" : "alarm" }, ended, ` after ${ms(call.elapsed_ms)}`),
    h("p", { class: "quiet" }, `${new Date(call.started_at).toLocaleString()} · ${call.caller} · `, h("code", {}, call.request_id)),
    h("h2", {}, "Attempts"),
    ...(call.attempts.length ? attempts(call) : [h("p", {}, "None: nothing was sent.")]),
    ...(call.events.length ? [h("h2", {}, "What happened"), table(["At", "What", "More"], call.events.map((each) => [ms(each.at_ms), each.what, detail(each.detail)]))] : []),
    h("h2", {}, "Parameters"),
    call.params === null
      ? h("p", {}, "Too large to be kept.")
      : h("pre", { tabindex: 0, "aria-label": "Parameters" }, JSON.stringify(call.params, null, 2)),
  ];
}

function attempts(call) {
  const pieces = call.attempts.map((each) => ({
    label: `attempt ${each.number}`, kind: each.code === 0 ? "none" : "downstream", from: each.started_ms, to: each.started_ms + each.elapsed_ms,
  }));
  return [
    timeline(`${call.attempts.length} attempts over ${ms(call.elapsed_ms)}`, pieces, call.elapsed_ms),
    table(["Attempt", "Host", "Began at", "First byte", "Took", "HTTP status", "What"], call.attempts.map((each) => [
      String(each.number), each.host ?? "–", ms(each.started_ms), ms(each.first_byte_ms), ms(each.elapsed_ms), each.status ?? "–",
      each.code === 0 ? "fine" : `${each.type} (${each.code})`,
    ])),
  ];
}

function detail(value) {
  return value === null || value === undefined ? "" : typeof value === "object" ? JSON.stringify(value) : String(value);
}
