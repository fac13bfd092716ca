// Recent calls, by what they are looked for, and one of them.

import { get, Refused } from "./api.js";
import { course, outcome } from "./course.js";
import { clock, docs, fill, follow, h, labelled, link, moment, ms, pager, queryForm, quiet, refill, select, table } from "./dom.js";
import { t } from "./texts.js";

const LIMIT = 50;
const SINCE = [["", t("the last hour")], ["5", t("the last 5 minutes")], ["15", t("the last 15 minutes")], ["30", t("the last 30 minutes")]];
const TEXTS = [["service", t("Service")], ["method", t("Method")], ["caller", t("Caller")], ["code", t("Code")]];
const FAULTS = { caller: t("caller’s fault"), gateway: t("gateway’s fault"), downstream: t("downstream’s fault") };

export function draw(main, [id], ...asked) {
  return id ? drawOne(main, id) : drawList(main, ...asked);
}

/** asked: the query of the page's address. */
async function drawList(main, asked, signal) {
  const query = new URLSearchParams(asked);
  query.delete("minutes");
  if (asked.get("minutes")) query.set("since", new Date(Date.now() - asked.get("minutes") * 60000).toISOString());
  query.set("limit", LIMIT);
  if (!main.querySelector("#found")) {
    fill(main, h("h1", {}, t("Calls")), quiet(t("Your last ones within an hour; an admin sees everybody’s.")), byId(), filters(), h("div", { id: "found" }));
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
  } }, labelled(t("Request id"), h("input", { id: "request-id", name: "id", required: true, autocomplete: "off", spellcheck: "false" })), h("button", {}, t("Find")));
}

function filters() {
  const form = queryForm([
    labelled(t("Outcome"), select("failed", [["", t("all")], ["true", t("failed")]])),
    TEXTS.map(([name, words]) => labelled(words, h("input", {
      id: name, name, autocomplete: "off", spellcheck: "false", ...(name === "code" ? { type: "number", max: 0, min: -9999 } : {}) }))),
    labelled(t("Since"), select("minutes", SINCE)),
  ], t("Filter"), address);
  form.id = "filters";
  form.addEventListener("change", ({ target }) => { if (target.tagName === "SELECT") form.go(); });
  form.append(h("a", { href: "#/calls", id: "clear", onclick: () => form.reset() }, t("Clear")));
  return form;
}

export function found(items) {
  if (!items.length) return h("p", {}, t("No such call is kept."));
  return table([t("When"), t("Call"), t("Caller"), t("Outcome"), t("Whose fault"), t("Took")], items.map((each) => [
    clock(each.started_at), link(["calls", each.request_id], `${each.service}.${each.method}`, { id: `call-${each.request_id}` }),
    link(["callers", each.caller], each.caller), outcome(each), FAULTS[each.source] ?? "–", ms(each.elapsed_ms),
  ]));
}

/** True when it is not there, which it may be in a moment: it is written beside the calls. */
async function drawOne(main, id) {
  let calls;
  try {
    const { more, ...first } = await get(`/api/v1/calls/${encodeURIComponent(id)}`);
    calls = [first, ...more]; // a batch made several under one request id
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 404) throw error;
    refill(main, null, () => [back(), h("h1", {}, t("No such call")), h("p", {}, t("Nobody knows of it yet, it was over an hour ago, or it is somebody else’s."))]);
    return true;
  }
  fill(main, back(), ...calls.flatMap(details));
  return false;
}

export function back() {
  return h("p", {}, h("a", { href: "#/calls", id: "back" }, t("← Calls")));
}

function details(call) {
  const took = ms(call.elapsed_ms);
  return [
    h("h1", {}, `${call.service}.${call.method}`),
    call.code === 0 ? h("p", { class: "good" }, t("succeeded after {}", took))
      : h("p", { class: "alarm" }, t("{} ({}), {}, after {}", call.type, call.code, FAULTS[call.source], took), " ", docs(call.code)),
    quiet(`${moment(call.started_at)} · `, link(["callers", call.caller], call.caller), " · ", h("code", {}, call.request_id)),
    h("p", {}, link(["try", call.service, call.method], t("Try this method")), " · ", link(["services", call.service], t("Service {}", call.service))),
    ...course(call),
    h("h2", {}, t("Parameters")),
    call.params === null ? h("p", {}, t("Too large to be kept."))
      : h("pre", { tabindex: 0, "aria-label": t("Parameters") }, JSON.stringify(call.params, null, 2)),
  ];
}
