// The catalog that serves; and for admins why a newer one does not: its problems, and the lines that differ.

import { get, isAdmin } from "./api.js";
import { alarm, away, button, clock, english, fill, h, link, moment } from "./dom.js";
import { pre, quiet, refill, searchBox, table } from "./dom.js";
import { seek } from "./lists.js";
import { t } from "./texts.js";

const REFUSED_MS = 10_000; // until a refused file is read again, as it may have other mistakes by now
const HUNK = /^@@ -(\d+),\d+ \+(\d+),/;
const FILE = /^--- .* \(serving\)$/;
const KINDS = { "+": "new", "-": "old", "@": "quiet" };
const OUTCOMES = {
  serving: t("The source has what serves."),
  valid: t("The source has another catalog, which every worker takes by itself."),
  refused: t("The source has a catalog that is refused."),
  unreadable: t("The source cannot be read."),
};

/** Draws anew when another catalog serves, or is refused; the search stays. */
export async function draw(place, { title }) {
  const { catalog } = await get("/status");
  const { items } = place.drawn === JSON.stringify(catalog) ? place : await get("/services");
  if (!place.querySelector("h1")) build(place, title);
  refill(place.querySelector("#served"), catalog, () => [
    h("p", t("Version {}, taken {}; reloads of the worker that answers: {}.",
      h("code", catalog.version), moment(catalog.taken_at), catalog.reloads)),
    refused(catalog) || h("p", { class: "good" }, t("It is what its source has.")),
  ]);
  Object.assign(place, { drawn: JSON.stringify(catalog), items });
  list(place);
  const state = catalog.version + catalog.error; // which all workers have alike, and each its own times
  const isOld = catalog.error && Date.now() > place.compared + REFUSED_MS;
  if (isAdmin() && (place.state !== state || isOld)) {
    compare(place, catalog.error ? await get("/catalog") : {});
    Object.assign(place, { state, compared: Date.now() });
  }
  return true;
}

function build(place, title) {
  fill(place, h("h1", title), h("div", { id: "served" }),
    isAdmin() && h("p", { class: "states" },
      button(t("Read it now"), () => reload(place), { id: "reload" }),
      h("span", { class: "quiet", id: "read", role: "status" })),
    h("div", { id: "refused" }),
    h("h2", t("Methods that you may call")), searchBox(t("Search methods"), () => list(place)),
    h("div", { id: "methods" }));
}

/** The service reads its source and tells what came of it; the workers take what is right. */
async function reload(place) {
  const notice = place.querySelector("#read");
  try {
    const source = await get("/catalog");
    compare(place, source);
    fill(notice, clock(Date.now()), ": ", OUTCOMES[source.state], " ", h("code", source.version));
  } catch (error) {
    fill(notice, away(error));
  }
}

/** What the source has, if it is not what serves. */
function compare(place, { problems = [], diff }) {
  const differs = t("What differs from the catalog that serves");
  const headings = [t("File"), t("Line"), t("Key"), t("What to do")];
  refill(place.querySelector("#refused"), [problems, diff], () => [
    problems.length > 0 && [h("h2", t("What is wrong")), table(headings, problems.map((problem) => [
      problem.file, problem.line || "", problem.key, english(problem.message)]))],
    diff && [h("h2", differs), pre(differs, numbered(diff), { id: "diff", lang: "en" })],
  ]);
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
    return h("span", { class: KINDS[line[0]] }, `${number.padStart(5)} ${line}\n`);
  });
}

/** Why a newer catalog does not serve, if there is one. */
export function refused({ error }) {
  return error && alarm(t("A newer catalog was not taken: {}. The last good one serves.", english(error)));
}

function list(place) {
  const all = seek(place.items, "");
  const shown = seek(place.items, place.querySelector("#search").value);
  const headings = [t("Method"), t("Verb"), t("What it does")];
  refill(place.querySelector("#methods"), [shown, all.length], () => [
    quiet(t("{} of {} method(s)", shown.length, all.length)),
    shown.length > 0 && table(headings, shown.map(([service, { name, verb, summary }]) => [
      link(["try", service, name], `${service}.${name}`), verb, summary]))]);
}
