// Recent calls, by what they are looked for, and what happened to one.

import { get, Refused } from "./api.js";
import { timeline } from "./charts.js";
import { clock, fill, follow, h, labelled, link, moment, ms, pager, queryForm, refill, select, table } from "./dom.js";

const LIMIT = 50;
const SINCE = [["", "the last hour"], ["5", "the last 5 minutes"], ["15", "the last 15 minutes"], ["30", "the last 30 minutes"]];
const TEXTS = [["service", "Service"], ["method", "Method"], ["caller", "Caller"], ["code", "Code"]];

/** asked: the query of the page's address. */
export async function drawList(main, asked, signal) {
  const query = new URLSearchParams(asked);
  query.delete("minutes");
  if (asked.get("minutes")) query.set("since", new Date(Date.now() - asked.get("minutes") * 60000).toISOString());
  query.set("limit", LIMIT);
  if (!main.querySelector("#found")) {
    fill(main, h("h1", {}, "Calls"), h("p", { class: "quiet" }, "Your last ones within an hour; an admin sees everybody’s."),
      byId(), filters(), h("div", { id: "found" }));
  }
  follow(main.querySelector("#filters"), asked);
  const calls = await get(`/api/v1/calls?${query}`, signal);
  refill(main.querySelector("#found"), [calls, asked.toString()],
    () => [found(calls.items), pager(calls, (skip) => address({ ...Object.fromEntries(asked), skip: skip || "" }))]);
  return true;
}

function address(values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== ""));
  return `#/calls${query.size ? `?${query}` : ""}`;
}

function byId() {
  return h("form", { class: "row", role: "search", onsubmit: (event) => {
    event.preventDefault();
    location.hash = `#/calls/${encodeURIComponent(event.target.elements.id.value.trim())}`;
  } }, labelled("Request id", h("input", { id: "request-id", name: "id", required: true, autocomplete: "off", spellcheck: "false" })), h("button", {}, "Find"));
}

function filters() {
  const form = queryForm([
    labelled("Outcome", select("failed", [["", "all"], ["true", "failed"]])),
    TEXTS.map(([name, words]) => labelled(words, h("input", {
      id: name, name, autocomplete: "off", spellcheck: "false", ...(name === "code" ? { type: "number", max: 0, min: -9999 } : {}) }))),
    labelled("Since", select("minutes", SINCE)),
  ], "Filter", address);
  form.id = "filters";
  form.addEventListener("change", ({ target }) => { if (target.tagName === "SELECT") form.go(); });
  form.append(h("a", { href: "#/calls", id: "clear", onclick: () => form.reset() }, "Clear"));
  return form;
}

export function found(items) {
  if (!items.length) return h("p", {}, "No such call is kept.");
  return table(["When", "Call", "Caller", "What", "Whose fault", "Took"], items.map((each) => [
    clock(each.started_at),
    link(["calls", each.request_id], `${each.service}.${each.method}`, { id: `call-${each.request_id}` }),
    h("a", { href: `#/calls?caller=${encodeURIComponent(each.caller)}` }, each.caller),
    each.code === 0 ? "fine" : h("span", { class: "alarm" }, `${each.type} (${each.code})`),
    each.source ?? "–", ms(each.elapsed_ms),
  ]));
}

/** True when it is not there, which it may be in a moment: it is written beside the calls. */
export async function drawOne(main, id) {
  let calls;
  try {
    const { more, ...first } = await get(`/api/v1/calls/${encodeURIComponent(id)}`);
    calls = [first, ...more]; // a batch made several under one request id
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
    refill(main, null, () => [back(), h("h1", {}, "No such call"), h("p", {}, "Nobody knows of it yet, it was over an hour ago, or it is somebody else’s.")]);
    return true;
  }
  fill(main, back(), ...calls.flatMap(details));
  return false;
}

function back() {
  return h("p", {}, h("a", { href: "#/calls" }, "← Calls"));
}

function details(call) {
  const ended = call.code === 0 ? "succeeded" : `${call.type} (${call.code}), ${call.source}’s fault,`;
  return [
    h("h1", {}, `${call.service}.${call.method}`),
    h("p", { class: call.code === 0 ? "good" : "alarm" }, ended, ` after ${ms(call.elapsed_ms)}`),
    call.why ? h("p", {}, h("b", {}, "Why: "), call.why) : null,
    h("p", { class: "quiet" }, `${moment(call.started_at)} · `, h("a", { href: `#/calls?caller=${encodeURIComponent(call.caller)}` }, call.caller), " · ", h("code", {}, call.request_id)),
    h("p", {}, link(["try", call.service, call.method], "Try this method"), " · ", link(["services", call.service], `Service ${call.service}`)),
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
