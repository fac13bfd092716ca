// The services, as they do now and over the last hour; and one of them.

import { get } from "./api.js";
import { found } from "./calls.js";
import { hour, shares } from "./charts.js";
import { arrange, clock, fill, h, link, ms, percent, refill, say, searchBox } from "./dom.js";

const FAULTS = [["none", "fine"], ["rejected", "refused by the service"], ["caller", "caller’s fault"], ["gateway", "gateway’s fault"], ["downstream", "downstream’s fault"]];

let before = {};
let wanted = "";

/** Draws once; called again and again while the page is open. */
export async function draw(main) {
  const status = await get("/api/v1/status");
  tellChanges(status.services);
  if (!main.querySelector("#services")) {
    fill(main, h("h1", {}, "Services"), h("div", { id: "catalog" }), h("section", { id: "faults", "aria-label": "Faults" }),
      h("h2", {}, "Each service"), h("p", { class: "quiet" }, "Those in trouble first. Bars: calls a minute over the last hour, failed ones in red. Line: p99. Numbers: the last five minutes."),
      searchBox("Search services", wanted, (text) => { wanted = text; seek(main); }), h("p", { class: "quiet", id: "count" }), h("ul", { id: "services" }));
  }
  refill(main.querySelector("#catalog"), status.catalog, () => catalog(status.catalog));
  refill(main.querySelector("#faults"), status.faults, () => faults(status.faults));
  arrange(main.querySelector("#services"), status.services.toSorted(worse), card);
  seek(main);
  return true;
}

/** One service: its hour, its methods, its last calls. */
export async function drawOne(main, name) {
  const [status, known, calls] = await Promise.all([
    get("/api/v1/status"), get("/api/v1/services"), get(`/api/v1/calls?limit=20&service=${encodeURIComponent(name)}`)]);
  const service = status.services.find((each) => each.name === name);
  if (!service) {
    refill(main, name, () => [back(), h("h1", {}, "No such service"), h("p", {}, `The catalog has no ${name}, or you may not call it.`)]);
    return true;
  }
  const { methods, proxy } = known.items.find((each) => each.name === name) || { methods: [], proxy: [] };
  refill(main, [service, methods, proxy, calls], () => [back(), h("h1", {}, name), states(service), hour(name, service.minutes), facts(service),
    h("h2", {}, "Methods"),
    h("ul", { class: "names" }, methods.map((each) => h("li", {}, link(["try", name, each.name], each.name, { id: `method-${each.name}` }), each.summary ? ` ${each.summary}` : ""))),
    proxy.length ? h("p", { class: "quiet" }, `Passed on as they are: ${proxy.join(", ")}`) : null,
    h("h2", {}, "Last calls"), found(calls.items), h("p", {}, h("a", { id: "all-calls", href: `#/calls?service=${encodeURIComponent(name)}` }, `All ${calls.total} that are kept`))]);
  return true;
}

function back() {
  return h("p", {}, h("a", { href: "#/services", id: "back" }, "← Services"));
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
  main.querySelector("#count").textContent = wanted ? `${shown} of ${cards.length} services` : `${cards.length} services`;
}

function catalog({ version, taken_at, error }) {
  return [
    h("p", { class: "quiet" }, "Catalog ", h("code", {}, version), ` since ${new Date(taken_at).toLocaleString()}. `, h("a", { href: "#/catalog", id: "to-catalog" }, "More")),
    error ? h("p", { class: "alarm", role: "alert" }, `A newer catalog was not taken: ${error}. The last good one serves.`) : null,
  ];
}

function faults(counts) {
  const total = FAULTS.reduce((sum, [kind]) => sum + counts[kind], 0);
  const parts = FAULTS.map(([kind]) => [kind, counts[kind]]);
  const said = FAULTS.map(([kind, words]) => `${counts[kind]} ${words}`).join(", ");
  return [
    h("h2", {}, "Whose fault, over the last hour"),
    shares(`${total} calls: ${said}`, parts),
    h("ul", { class: "legend" }, FAULTS.map(([kind, words]) => h("li", { class: kind }, h("b", {}, String(counts[kind])), ` ${words}`))),
  ];
}

function card(service) {
  const called = service.minutes.length > 0;
  return h("li", { class: trouble(service) ? "card trouble" : "card", "data-service": service.name },
    h("h3", {}, link(["services", service.name], service.name, { id: `service-${service.name}` })),
    states(service),
    called ? [hour(service.name, service.minutes), facts(service)] : h("p", { class: "quiet" }, "No calls in the last hour"));
}

function states({ health, breaker }) {
  return h("p", { class: "states" },
    health === "unknown" ? state("not probed", "unsure") : state(`health ${health}`, health === "up" ? "good" : "bad"),
    state(`breaker ${breaker.replace("_", "-")}`, { closed: "good", open: "bad" }[breaker] || "unsure"));
}

function state(words, kind) {
  return h("span", { class: `state ${kind}` }, words);
}

function facts(service) {
  return h("dl", {},
    fact("rate", `${service.rate < 10 ? service.rate.toFixed(2) : Math.round(service.rate)}/s`),
    fact("p50", ms(service.p50_ms)), fact("p99", ms(service.p99_ms)),
    fact("errors", service.calls ? percent(service.failed) : "–"));
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

function tellChanges(services) {
  const now = Object.fromEntries(services.map((each) => [each.name, `${each.health}, breaker ${each.breaker.replace("_", "-")}`]));
  const changed = Object.keys(now).filter((name) => before[name] && before[name] !== now[name]);
  if (changed.length) say(`${clock(Date.now())}: ${changed.map((name) => `${name} is ${now[name]}`).join("; ")}`);
  before = now;
}
