// The services, as they do now and over the last hour; and one of them.

import { get } from "./api.js";
import { found } from "./calls.js";
import { faults, hour } from "./charts.js";
import { arrange, clock, english, fill, h, link, moment, ms, percent, quiet, refill, say, searchBox } from "./dom.js";
import { t } from "./texts.js";

const HEALTH = { up: [t("health up"), "good"], down: [t("health down"), "bad"], unknown: [t("not probed"), "unsure"] };
const BREAKER = { closed: [t("breaker closed"), "good"], open: [t("breaker open"), "bad"], half_open: [t("breaker half-open"), "unsure"] };

let before = {};
let wanted = "";

/** Draws once; called again and again while the page is open. */
export function draw(main, [name]) {
  return name ? drawOne(main, name) : drawAll(main);
}

async function drawAll(main) {
  const status = await get("/api/v1/status");
  tellChanges(status.services);
  if (!main.querySelector("#services")) {
    fill(main, h("h1", {}, t("Services")), h("div", { id: "catalog" }), h("section", { id: "faults", "aria-label": t("Faults") }),
      h("h2", {}, t("Each service")), quiet(t("Those in trouble first. Bars: calls a minute over the last hour, failed ones in red. Line: p99. Numbers: the last five minutes.")),
      searchBox(t("Search services"), wanted, (text) => { wanted = text; seek(main); }), h("p", { class: "quiet", id: "count" }), h("ul", { id: "services" }));
  }
  refill(main.querySelector("#catalog"), status.catalog, () => catalog(status.catalog));
  refill(main.querySelector("#faults"), status.faults, () => faults(status.faults));
  arrange(main.querySelector("#services"), status.services.toSorted(worse), card);
  seek(main);
  return true;
}

/** One service: its hour, its methods, its last calls. */
async function drawOne(main, name) {
  const [status, known, calls] = await Promise.all([
    get("/api/v1/status"), get("/api/v1/services"), get(`/api/v1/calls?limit=20&service=${encodeURIComponent(name)}`)]);
  const service = status.services.find((each) => each.name === name);
  if (!service) {
    refill(main, name, () => [back(), h("h1", {}, t("No such service")), h("p", {}, t("The catalog has no {}, or you may not call it.", name))]);
    return true;
  }
  const { methods, proxy } = known.items.find((each) => each.name === name) || { methods: [], proxy: [] };
  refill(main, [service, methods, proxy, calls], () => [back(), h("h1", {}, name), states(service), hour(name, service.minutes), facts(service),
    h("h2", {}, t("Methods")),
    h("ul", { class: "names" }, methods.map((each) => h("li", {}, link(["try", name, each.name], each.name, { id: `method-${each.name}` }), each.summary ? ` ${each.summary}` : ""))),
    proxy.length ? quiet(t("Passed on as they are: {}", proxy.join(", "))) : null,
    h("h2", {}, t("Last calls")), found(calls.items), h("p", {}, h("a", { id: "all-calls", href: `#/calls?service=${encodeURIComponent(name)}` }, t("All {} that are kept", calls.total)))]);
  return true;
}

function back() {
  return h("p", {}, h("a", { href: "#/services", id: "back" }, t("← Services")));
}

function trouble(service) {
  return service.health === "down" || service.breaker !== "closed";
}

/** Down or shut first, then by the share of failed calls, then those that are called. */
function worse(one, other) {
  return trouble(other) - trouble(one) || other.failed - one.failed || (other.minutes.length > 0) - (one.minutes.length > 0);
}

function seek(main) {
  const cards = [...main.querySelectorAll("#services > li")];
  for (const each of cards) each.hidden = !each.dataset.service.toLowerCase().includes(wanted.toLowerCase());
  const shown = cards.filter((each) => !each.hidden).length;
  main.querySelector("#count").textContent = wanted ? t("{} of {} services", shown, cards.length) : t("{} services", cards.length);
}

function catalog({ version, taken_at, error }) {
  return [
    quiet(t("Catalog {} since {}.", h("code", {}, version), moment(taken_at)), " ", h("a", { href: "#/catalog", id: "to-catalog" }, t("More"))),
    error ? h("p", { class: "alarm", role: "alert" }, t("A newer catalog was not taken: {}. The last good one serves.", english(error))) : null,
  ];
}

function card(service) {
  const called = service.minutes.length > 0;
  return h("li", { class: trouble(service) ? "card trouble" : "card", "data-service": service.name },
    h("h3", {}, link(["services", service.name], service.name, { id: `service-${service.name}` })),
    states(service),
    called ? [hour(service.name, service.minutes), facts(service)] : quiet(t("No calls in the last hour")));
}

function states({ health, breaker }) {
  return h("p", { class: "states" }, [HEALTH[health], BREAKER[breaker]].map(([words, kind]) => h("span", { class: `state ${kind}` }, words)));
}

function facts(service) {
  return h("dl", {},
    fact(t("rate"), `${service.rate < 10 ? service.rate.toFixed(2) : Math.round(service.rate)}/s`),
    fact("p50", ms(service.p50_ms)), fact("p99", ms(service.p99_ms)),
    fact(t("errors"), service.calls ? percent(service.failed) : "–"));
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

function tellChanges(services) {
  const now = Object.fromEntries(services.map((each) => [each.name, t("{}: {}, {}", each.name, HEALTH[each.health][0], BREAKER[each.breaker][0])]));
  const changed = Object.keys(now).filter((name) => before[name] && before[name] !== now[name]);
  if (changed.length) say(`${clock(Date.now())}: ${changed.map((name) => now[name]).join("; ")}`);
  before = now;
}
