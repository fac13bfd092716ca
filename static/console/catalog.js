// The catalog that serves, and why a newer one does not.

import { get } from "./api.js";
import { fill, h, link, moment, refill, searchBox, table } from "./dom.js";

let wanted = "";

/** Draws anew when another catalog serves, or is refused; the search stays. */
export async function draw(main) {
  const { catalog } = await get("/api/v1/status");
  const { items } = main.drawn === JSON.stringify(catalog) ? main : await get("/api/v1/services");
  Object.assign(main, { drawn: JSON.stringify(catalog), items });
  if (!main.querySelector("h1")) {
    fill(main, h("h1", {}, "Catalog"), h("div", { id: "served" }),
      h("p", { class: "quiet" }, "A changed source is taken by itself, or refused whole; ", h("code", {}, "flask catalog check"), " tells beforehand."),
      h("h2", {}, "Methods that you may call"), searchBox("Search methods", wanted, (text) => { wanted = text; list(main); }), h("div", { id: "methods" }));
  }
  refill(main.querySelector("#served"), catalog, () => served(catalog));
  list(main);
  return true;
}

function served({ version, taken_at, reloads, error }) {
  return [
    h("p", {}, "Version ", h("code", {}, version), `, taken ${moment(taken_at)}, `, reloads === 1 ? "1 reload" : `${reloads} reloads`, " of the worker that answers."),
    error
      ? [h("p", { class: "alarm", role: "alert" }, "A newer one was not taken; the last good one serves. What is wrong with it:"),
        h("pre", { tabindex: 0, id: "wrong", "aria-label": "What is wrong" }, error.replaceAll("; ", "\n"))]
      : h("p", { class: "good" }, "It is what its source has."),
  ];
}

function list(main) {
  const rows = main.items.flatMap((service) => service.methods.map((method) => ({ service, method })));
  const shown = rows.filter(({ service, method }) => `${service.name}.${method.name} ${method.summary}`.toLowerCase().includes(wanted.toLowerCase()));
  refill(main.querySelector("#methods"), [shown, rows.length], () => [h("p", { class: "quiet" }, `${shown.length} of ${rows.length} methods`),
    shown.length ? table(["Method", "Verb", "What it does"], shown.map(({ service, method }) => [
      link(["try", service.name, method.name], `${service.name}.${method.name}`), method.verb, method.summary || "–"])) : null]);
}
