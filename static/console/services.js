// The services, as they do now and over the last hour.

import { get } from "./api.js";
import { hour, shares } from "./charts.js";
import { clock, fill, h, ms, percent, say } from "./dom.js";

const FAULTS = [["none", "fine"], ["rejected", "refused by the service"], ["caller", "caller’s fault"], ["gateway", "gateway’s fault"], ["downstream", "downstream’s fault"]];

let before = {};

/** Draws once; called again and again while the page is open. */
export async function draw(main) {
  const status = await get("/api/v1/status");
  tellChanges(status.services);
  if (!main.querySelector("#services")) {
    fill(main, h("h1", {}, "Services"), h("div", { id: "catalog" }), h("section", { id: "faults", "aria-label": "Faults" }),
      h("h2", {}, "Each service"), h("p", { class: "quiet" }, "Bars: calls a minute over the last hour, failed ones in red. Line: p99. Numbers: the last five minutes."),
      h("ul", { id: "services" }));
  }
  fill(main.querySelector("#catalog"), catalog(status.catalog));
  fill(main.querySelector("#faults"), faults(status.faults));
  const list = main.querySelector("#services");
  const kept = list.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  fill(list, status.services.map(card));
  if (kept) [...list.querySelectorAll("a")].find((each) => each.getAttribute("href") === kept)?.focus(); // it was drawn anew
}

function catalog({ version, taken_at, reloads, error }) {
  const since = `${new Date(taken_at).toLocaleString()}${reloads ? `, after ${reloads} ${reloads === 1 ? "reload" : "reloads"}` : ""}`;
  return [
    h("p", { class: "quiet" }, "Catalog ", h("code", {}, version), ` since ${since}`),
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
  const trouble = service.health === "down" || service.breaker !== "closed";
  return h("li", { class: trouble ? "card trouble" : "card", "data-service": service.name },
    h("h3", {}, h("a", { href: `#/try/${encodeURIComponent(service.name)}` }, service.name)),
    h("p", { class: "states" },
      state("health", service.health, { up: "good", down: "bad" }),
      state("breaker", service.breaker.replace("_", "-"), { closed: "good", open: "bad" })),
    hour(service.name, service.minutes),
    h("dl", {},
      fact("rate", `${service.rate < 10 ? service.rate.toFixed(2) : Math.round(service.rate)}/s`),
      fact("p50", ms(service.p50_ms)), fact("p99", ms(service.p99_ms)),
      fact("errors", service.calls ? percent(service.failed) : "–")));
}

function state(what, is, kinds) {
  return h("span", { class: `state ${kinds[is] || "unsure"}` }, `${what} ${is}`);
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
