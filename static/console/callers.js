// One caller: how its calls end, which methods it calls, the last ones.

import { get } from "./api.js";
import { lastCalls } from "./calls.js";
import { faults, hour } from "./charts.js";
import { h, link, ms, refill, table } from "./dom.js";
import { t } from "./texts.js";

const LIMIT = 100; // calls asked for at once
const LAST = 20; // shown
const MINUTE = 60000; // ms

/** Of few calls again and again, of many once: each drawing asks for all that are kept. */
export async function draw(place, { rest: [name], signal }) {
  const calls = await allCalls(name, signal);
  refill(place, [calls.length, calls[0], Math.floor(Date.now() / MINUTE)], () => [h("h1", name),
    calls.length > 0 && [hour(name, minutes(calls)), faults(count(calls)), h("h2", t("Methods")), methods(calls)],
    lastCalls(calls.slice(0, LAST), calls.length, { caller: name })]);
  return calls.length <= LIMIT;
}

/** The newest first. */
async function allCalls(caller, signal) {
  const page = (skip) => get(`/calls?${new URLSearchParams({ caller, limit: LIMIT, skip })}`, signal);
  const first = await page(0);
  const skips = Array.from({ length: Math.ceil(first.total / LIMIT) - 1 }, (_, at) => (at + 1) * LIMIT);
  return [first, ...await Promise.all(skips.map(page))].flatMap((part) => part.items);
}

/** As /status counts: a "no" of the service is its answer. */
function kind({ code, type, source }) {
  return code === 0 ? "none" : type === "downstream_rejected" ? "rejected" : source;
}

function count(calls) {
  return Object.fromEntries(Object.entries(Object.groupBy(calls, kind)).map(([fault, all]) => [fault, all.length]));
}

function summary(calls) {
  const sorted = calls.map((call) => call.elapsed_ms).sort((one, other) => one - other);
  const at = (share) => sorted[Math.ceil(share * sorted.length) - 1];
  const { gateway = 0, downstream = 0 } = count(calls);
  return { calls: calls.length, failed: gateway + downstream, p50_ms: at(0.5), p99_ms: at(0.99) };
}

/** From the oldest to the newest, those with calls, as /status gives them. */
function minutes(calls) {
  const now = Math.floor(Date.now() / MINUTE);
  const minuteOf = (call) => Math.floor(new Date(call.started_at) / MINUTE);
  const byMinute = Object.groupBy(calls, (call) => Math.max(0, now - minuteOf(call)));
  return Object.entries(byMinute).map(([ago, all]) => ({ ago: Number(ago), ...summary(all) }))
    .filter(({ ago }) => ago < 60).reverse();
}

function methods(calls) {
  const rows = Object.entries(Object.groupBy(calls, (call) => `${call.service}.${call.method}`));
  return table([t("Method"), t("Calls"), t("Failed"), "p50", "p99"], rows.map(([name, all]) => {
    const { failed, p50_ms, p99_ms } = summary(all);
    const page = link(["services", all[0].service], name, { id: `method-${name}` });
    return [page, all.length, failed, ms(p50_ms), ms(p99_ms)];
  }));
}
