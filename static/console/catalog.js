// The catalog that serves, and why a newer one does not.

import { get } from "./api.js";
import { fill, h, link, moment, searchBox, table } from "./dom.js";

let wanted = "";

/** Draws anew when another catalog serves, or is refused. */
export async function draw(main) {
  const { catalog } = await get("/api/v1/status");
  const key = JSON.stringify(catalog);
  if (main.drawn === key) return true;
  const { items } = await get("/api/v1/services");
  main.drawn = key;
  const rows = items.flatMap((service) => service.methods.map((method) => ({ service, method })));
  const list = h("div", { id: "methods" });
  const seek = (text) => {
    wanted = text;
    const shown = rows.filter(({ service, method }) => `${service.name}.${method.name} ${method.summary}`.toLowerCase().includes(text.toLowerCase()));
    fill(list, h("p", { class: "quiet" }, `${shown.length} of ${rows.length} methods`),
      shown.length ? table(["Method", "Verb", "What it does"], shown.map(({ service, method }) => [
        link(["try", service.name, method.name], `${service.name}.${method.name}`), method.verb, method.summary || "–"])) : null);
  };
  fill(main, h("h1", {}, "Catalog"),
    h("p", {}, "Version ", h("code", {}, catalog.version), `, taken ${moment(catalog.taken_at)}, `, catalog.reloads === 1 ? "1 reload" : `${catalog.reloads} reloads`, " of the worker that answers."),
    catalog.error
      ? [h("p", { class: "alarm", role: "alert" }, "A newer one was not taken; the last good one serves. What is wrong with it:"),
        h("pre", { tabindex: 0, "aria-label": "What is wrong" }, catalog.error.replaceAll("; ", "\n"))]
      : h("p", { class: "good" }, "It is what its source has."),
    h("p", { class: "quiet" }, "A changed source is taken by itself, or refused whole; ", h("code", {}, "flask catalog check"), " tells beforehand."),
    h("h2", {}, "Methods that you may call"), searchBox("Search methods", wanted, seek), list);
  seek(wanted);
  return true;
}
