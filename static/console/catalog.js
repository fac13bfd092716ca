// The catalog that serves; and for admins why a newer one does not: its problems, and the lines that differ.

import { get, isAdmin } from "./api.js";
import { away, clock, english, fill, h, link, moment, quiet, refill, searchBox, table } from "./dom.js";
import { t } from "./texts.js";

const REFUSED_EVERY = 10_000; // ms; a refused file is read again, as it may have other mistakes by now
const HUNK = /^@@ -(\d+),\d+ \+(\d+),/;
const FILE = /^--- .* \(serving\)$/;
const KINDS = { "+": "new", "-": "old", "@": "quiet" };
const OUTCOMES = {
  serving: t("The source has what serves."),
  valid: t("The source has another catalog, which is right: every worker takes it by itself."),
  refused: t("The source has a catalog that is refused; all workers go on with the last good one."),
  unreadable: t("The source cannot be read; all workers go on with the last good one."),
};

let wanted = "";

/** Draws anew when another catalog serves, or is refused; the search stays. */
export async function draw(main) {
  const { catalog } = await get("/api/v1/status");
  const { items } = main.drawn === JSON.stringify(catalog) ? main : await get("/api/v1/services");
  if (!main.querySelector("h1")) build(main);
  refill(main.querySelector("#served"), catalog, () => served(catalog));
  Object.assign(main, { drawn: JSON.stringify(catalog), items });
  list(main);
  const told = JSON.stringify([catalog.version, catalog.error]); // which all workers have alike, and each its own times
  if (isAdmin() && (main.told !== told || (catalog.error && Date.now() > main.compared + REFUSED_EVERY))) {
    await compare(main, catalog.error);
    main.told = told;
  }
  return true;
}

function build(main) {
  fill(main, h("h1", {}, t("Catalog")), h("div", { id: "served" }),
    quiet(t("A changed source is taken by itself within two seconds, or refused whole; {} tells beforehand.", h("code", {}, "flask catalog check"))),
    isAdmin() ? h("p", { class: "states" }, h("button", { type: "button", id: "reload", onclick: () => reload(main) }, t("Read it now")), h("span", { class: "quiet", id: "read", role: "status" })) : null,
    h("div", { id: "refused" }),
    h("h2", {}, t("Methods that you may call")), searchBox(t("Search methods"), wanted, (text) => { wanted = text; list(main); }), h("div", { id: "methods" }));
}

/** What the source has now, if it is not what serves. */
async function compare(main, isRefused) {
  const source = isRefused ? await get("/api/v1/catalog") : null;
  main.compared = Date.now();
  refill(main.querySelector("#refused"), source, () => (source ? compared(source) : []));
}

/** The service reads its source and tells what came of it; the workers take what is right. */
async function reload(main) {
  const told = main.querySelector("#read");
  try {
    const source = await get("/api/v1/catalog");
    refill(main.querySelector("#refused"), source, () => compared(source));
    fill(told, clock(Date.now()), ": ", OUTCOMES[source.state], " ", h("code", {}, source.version));
  } catch (error) {
    fill(told, away(error));
  }
}

function compared({ problems, diff }) {
  return [
    problems.length ? [h("h2", {}, t("What is wrong")), table([t("File"), t("Line"), t("Key"), t("What to do")], problems.map((each) => [
      each.file, each.line ? String(each.line) : "–", each.key || "–", english(each.message)]))] : [],
    diff ? [h("h2", {}, t("What differs from the catalog that serves")), h("pre", { class: "diff", id: "diff", tabindex: 0, lang: "en", "aria-label": t("What differs from the catalog that serves") }, numbered(diff))] : [],
  ];
}

/** A unified diff, its lines with their numbers: of what was taken out the old one, else the new one. */
function numbered(diff) {
  let [old, now] = [0, 0];
  return diff.trimEnd().split("\n").map((line) => {
    const hunk = HUNK.exec(line);
    if (hunk) [old, now] = [Number(hunk[1]), Number(hunk[2])];
    else if (FILE.test(line)) [old, now] = [0, 0];
    const isLine = now && !hunk && /^[-+ ]/.test(line);
    const number = isLine ? String(line[0] === "-" ? old : now) : "";
    if (isLine && line[0] !== "+") old += 1;
    if (isLine && line[0] !== "-") now += 1;
    return h("span", { class: KINDS[line[0]] ?? null }, `${number.padStart(5)} ${line}\n`);
  });
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
