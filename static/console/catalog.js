// The catalog that serves, and why a newer one does not.

import { get } from "./api.js";
import { away, clock, english, fill, h, link, moment, quiet, refill, searchBox, table } from "./dom.js";
import { t } from "./texts.js";

let wanted = "";

/** Draws anew when another catalog serves, or is refused; the search stays. */
export async function draw(main) {
  const { catalog } = await get("/api/v1/status");
  const { items } = main.drawn === JSON.stringify(catalog) ? main : await get("/api/v1/services");
  Object.assign(main, { drawn: JSON.stringify(catalog), items });
  if (!main.querySelector("h1")) {
    fill(main, h("h1", {}, t("Catalog")), h("div", { id: "served" }),
      quiet(t("A changed source is taken by itself within two seconds, or refused whole; {} tells beforehand.", h("code", {}, "flask catalog check"))),
      h("p", { class: "states" }, h("button", { type: "button", id: "again", onclick: () => ask(main) }, t("Ask again")), h("span", { class: "quiet", id: "asked", role: "status" })),
      h("h2", {}, t("Methods that you may call")), searchBox(t("Search methods"), wanted, (text) => { wanted = text; list(main); }), h("div", { id: "methods" }));
  }
  refill(main.querySelector("#served"), catalog, () => served(catalog));
  list(main);
  return true;
}

/** Postern looks at its source by itself; this tells at once what came of it. */
async function ask(main) {
  const asked = main.querySelector("#asked");
  try {
    await draw(main);
    asked.textContent = t("Asked at {}", clock(Date.now()));
  } catch (error) {
    asked.textContent = away(error);
  }
}

function served({ version, taken_at, reloads, error }) {
  return [
    h("p", {}, t("Version {}, taken {}; reloads of the worker that answers: {}.", h("code", {}, version), moment(taken_at), String(reloads))),
    error
      ? h("p", { class: "alarm", role: "alert" }, t("A newer catalog was not taken: {}. The last good one serves.", english(error)))
      : h("p", { class: "good" }, t("It is what its source has.")),
  ];
}

function list(main) {
  const rows = main.items.flatMap((service) => service.methods.map((method) => ({ service, method })));
  const shown = rows.filter(({ service, method }) => `${service.name}.${method.name} ${method.summary}`.toLowerCase().includes(wanted.toLowerCase()));
  refill(main.querySelector("#methods"), [shown, rows.length], () => [quiet(t("{} of {} methods", shown.length, rows.length)),
    shown.length ? table([t("Method"), t("Verb"), t("What it does")], shown.map(({ service, method }) => [
      link(["try", service.name, method.name], `${service.name}.${method.name}`), method.verb, method.summary || "–"])) : null]);
}
