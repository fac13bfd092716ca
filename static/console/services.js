// The services, as they do now and over the last hour; and one of them.

import { get } from "./api.js";
import { refused } from "./catalog.js";
import { lastCalls } from "./calls.js";
import { faults, hour } from "./charts.js";
import { arrange, clock, fill, h, link, moment, ms, quiet, refill, say, searchBox, state } from "./dom.js";
import { t } from "./texts.js";

const HEALTH = { up: [t("health up"), "good"], down: [t("health down"), "bad"], unknown: [t("not probed"), "quiet"] };
const BREAKER = {
  closed: [t("breaker closed"), "good"],
  open: [t("breaker open"), "bad"],
  half_open: [t("breaker half-open"), "quiet"],
};

let before = {};

export async function draw(place, { rest: [name], title }) {
  const status = await get("/status");
  await (name ? drawOne : drawAll)(place, status, name ?? title);
  return true;
}

function drawAll(place, { services, catalog, faults: counts }, title) {
  tellChanges(services);
  if (!place.querySelector("#services")) {
    fill(place, h("h1", title), h("div", { id: "catalog" }), h("section", { id: "faults", "aria-label": t("Faults") }),
      h("h2", t("Each service")),
      quiet(t("Those in trouble first. Bars: calls a minute over the last hour, failed ones in red. Line: p99. Numbers: the last five minutes.")),
      searchBox(t("Search services"), () => seek(place)), h("p", { class: "quiet", id: "count" }),
      h("ul", { id: "services" }));
  }
  refill(place.querySelector("#catalog"), catalog, () => [
    quiet(t("Catalog {} since {}.", h("code", catalog.version), moment(catalog.taken_at)), " ",
      link(["catalog"], t("More"), { id: "to-catalog" })),
    refused(catalog)]);
  refill(place.querySelector("#faults"), counts, () => faults(counts));
  arrange(place.querySelector("#services"), services.toSorted(worse), card);
  seek(place);
}

async function drawOne(place, { services }, name) {
  const lastCallsOf = `/calls?limit=20&service=${encodeURIComponent(name)}`;
  const [{ items }, calls] = await Promise.all([get("/services"), get(lastCallsOf)]);
  const service = services.find((item) => item.name === name);
  const { methods, proxy } = items.find((item) => item.name === name) || { methods: [], proxy: [] };
  const missing = () => [
    h("h1", t("No such service")), h("p", t("The catalog has no {}, or you may not call it.", name))];
  refill(place, [service, methods, proxy, calls], () => (!service ? missing() : [
    h("h1", name), states(service), hour(name, service.minutes), facts(service),
    h("h2", t("Methods")),
    h("ul", { class: "names" }, methods.map((method) => (
      h("li", link(["try", name, method.name], method.name, { id: `method-${method.name}` }),
        ` ${method.summary ?? ""}`)))),
    proxy.length > 0 && quiet(t("Passed on as they are: {}", proxy.join(", "))),
    lastCalls(calls.items, calls.total, { service: name })]));
}

function isInTrouble(service) {
  return service.health === "down" || service.breaker !== "closed";
}

/** Down or shut first, then by the share of failed calls, then those that are called. */
function worse(one, other) {
  return isInTrouble(other) - isInTrouble(one) || other.failed - one.failed
    || (other.minutes.length > 0) - (one.minutes.length > 0);
}

function seek(place) {
  const wanted = place.querySelector("#search").value.toLowerCase();
  const cards = [...place.querySelectorAll("#services > li")];
  for (const element of cards) element.hidden = !element.dataset.service.toLowerCase().includes(wanted);
  const shown = cards.filter((element) => !element.hidden).length;
  place.querySelector("#count").textContent = t("{} of {} service(s)", shown, cards.length);
}

function card(service) {
  const { name, minutes } = service;
  return h("li", { class: isInTrouble(service) ? "card trouble" : "card", "data-service": name },
    h("h3", link(["services", name], name, { id: `service-${name}` })),
    states(service),
    minutes.length ? [hour(name, minutes), facts(service)] : quiet(t("No calls in the last hour")));
}

function states({ health, breaker }) {
  return h("p", { class: "states" }, state(...HEALTH[health]), state(...BREAKER[breaker]));
}

function facts({ rate, p50_ms, p99_ms, calls, failed }) {
  const values = {
    [t("rate")]: `${rate < 10 ? rate.toFixed(2) : Math.round(rate)}/s`,
    p50: ms(p50_ms),
    p99: ms(p99_ms),
    [t("errors")]: calls ? failed.toLocaleString([], { style: "percent", maximumSignificantDigits: 2 }) : "–",
  };
  return h("dl", Object.entries(values).map(([name, value]) => h("div", h("dt", name), h("dd", value))));
}

function tellChanges(services) {
  const now = Object.fromEntries(services.map(({ name, health, breaker }) => (
    [name, t("{}: {}, {}", name, HEALTH[health][0], BREAKER[breaker][0])])));
  const changed = Object.keys(now).filter((name) => before[name] && before[name] !== now[name]);
  if (changed.length) say(`${clock(Date.now())}: ${changed.map((name) => now[name]).join("; ")}`);
  before = now;
}
