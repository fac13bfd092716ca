// Recent calls, by what they are looked for, and what happened to one.

import { get } from "./api.js";
import { FAULTS, timeline } from "./charts.js";
import { address, clock, docs, english, field, fill, form, h, labelled, link, moment, ms, pre } from "./dom.js";
import { quiet, refill, select, table, text } from "./dom.js";
import { drawFiltered } from "./lists.js";
import { t } from "./texts.js";

const SINCE = [
  ["", t("the last hour")], ...[5, 15, 30].map((minutes) => [minutes, t("the last {} minutes", minutes)])];

const LIST = {
  head: [quiet(t("Your last ones within an hour; an admin sees everybody’s.")),
    form(({ id }) => { location.hash = address(["calls", id.trim()]); }, { role: "search" },
      field(t("Request id"), "request-id", { name: "id", required: true }), h("button", t("Find")))],
  fields: [
    labelled(t("Outcome"), select("failed", [["", t("all")], ["true", t("failed")]])),
    field(t("Service"), "service"), field(t("Method"), "method"), field(t("Caller"), "caller"),
    field(t("Code"), "code", { type: "number", max: 0, min: -9999 }),
    labelled(t("Since"), select("minutes", SINCE)),
  ],
  sent: (query) => {
    const minutes = query.get("minutes");
    query.delete("minutes");
    if (minutes) query.set("since", new Date(Date.now() - minutes * 60000).toISOString());
    return query;
  },
  found,
};

export async function draw(place, page) {
  const [id] = page.rest;
  if (id) return drawOne(place, id);
  await drawFiltered(place, page, LIST);
  return true;
}

function found(calls) {
  if (!calls.length) return h("p", t("No such call is kept."));
  const headings = [t("When"), t("Call"), t("Caller"), t("Outcome"), t("Whose fault"), t("Took")];
  return table(headings, calls.map((call) => [
    clock(call.started_at),
    link(["calls", call.request_id], `${call.service}.${call.method}`, { id: `call-${call.request_id}` }),
    link(["callers", call.caller], call.caller), outcome(call), FAULTS[call.source], ms(call.elapsed_ms),
  ]));
}

export function lastCalls(calls, total, query) {
  const all = h("a", { id: "all-calls", href: address(["calls"], query) }, t("All {} that are kept", total));
  return [h("h2", t("Last calls")), found(calls), h("p", all)];
}

/** True when it is not there, which it may be in a moment: it is written beside the calls. */
async function drawOne(place, id) {
  try {
    fill(place, (await callsOf(id)).map(details));
    return false;
  } catch (error) {
    if (error.status !== 404) throw error;
    refill(place, null, () => [
      h("h1", t("No such call")),
      h("p", t("Nobody knows of it yet, it was over an hour ago, or it is somebody else’s."))]);
    return true;
  }
}

/** A batch made several under one request id. */
export async function callsOf(id) {
  const { more, ...first } = await get(`/calls/${encodeURIComponent(id)}`);
  return [first, ...more];
}

function details(call) {
  const took = ms(call.elapsed_ms);
  return [
    h("h1", `${call.service}.${call.method}`),
    call.code === 0 ? h("p", { class: "good" }, t("succeeded after {}", took))
      : h("p", { class: "alarm" },
        t("{} ({}), {}, after {}", call.type, call.code, FAULTS[call.source], took), " ", docs(call.code)),
    quiet(`${moment(call.started_at)} · `, link(["callers", call.caller], call.caller), " · ",
      h("code", call.request_id)),
    h("p", link(["try", call.service, call.method], t("Try this method")), " · ",
      link(["services", call.service], t("Service {}", call.service))),
    course(call),
    h("h2", t("Parameters")),
    call.params === null ? h("p", t("Too large to be kept."))
      : pre(t("Parameters"), JSON.stringify(call.params, null, 2)),
  ];
}

export function course({ why, attempts, elapsed_ms, events }) {
  const headings = [
    t("Attempt"), t("Host"), t("Began at"), t("First byte"), t("Took"), t("HTTP status"), t("Outcome")];
  return [
    why && h("p", h("b", t("Why: ")), english(why)),
    h("h2", t("Attempts")),
    attempts.length ? [timeline(attempts, elapsed_ms),
      table(headings, attempts.map((attempt) => [
        attempt.number, attempt.host, ms(attempt.started_ms), ms(attempt.first_byte_ms), ms(attempt.elapsed_ms),
        attempt.status, outcome(attempt),
      ]))] : h("p", t("None: nothing was sent.")),
    events.length > 0 && [h("h2", t("What happened")), table([t("At"), t("What"), t("More")], events.map((event) => [
      ms(event.at_ms), english(event.what), english(text(event.detail ?? ""))]))],
  ];
}

function outcome({ code, type }) {
  return code === 0 ? t("fine") : h("span", { class: "alarm" }, `${type} (${code})`);
}
