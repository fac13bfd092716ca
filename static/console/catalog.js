// The catalog that serves; and for admins why a newer one does not: its problems, and the lines that differ.

import { get, isAdmin } from "./api.js";
import { alarm, away, button, clock, english, fill, h, link, moment, pre, quiet, refill, searchBox, table } from "./dom.js";
import { seek } from "./lists.js";
import { t } from "./texts.js";

const REFUSED_EVERY = 10_000; // ms; a refused file is read again, as it may have other mistakes by now
const HUNK = /^@@ -(\d+),\d+ \+(\d+),/;
const FILE = /^--- .* \(serving\)$/;
const KINDS = { "+": "new", "-": "old", "@": "quiet" };
const OUTCOMES = {
  serving: t("The source has what serves.", "来源与正在使用的一致。"),
  valid: t("The source has another catalog, which every worker takes by itself.", "来源中是另一份服务目录，各 worker 会自动采用。"),
  refused: t("The source has a catalog that is refused.", "来源中的服务目录有错误，已被拒绝。"),
  unreadable: t("The source cannot be read.", "无法读取来源。"),
};

/** Draws anew when another catalog serves, or is refused; the search stays. */
export async function draw(place, { title }) {
  const { catalog } = await get("/status");
  const { items } = place.drawn === JSON.stringify(catalog) ? place : await get("/services");
  if (!place.querySelector("h1")) build(place, title);
  refill(place.querySelector("#served"), catalog, () => [
    h("p", t("Version {}, taken {}; reloads of the worker that answers: {}.", "版本 {}，{} 采用；应答的 worker 已重新加载 {} 次。", h("code", catalog.version), moment(catalog.taken_at), catalog.reloads)),
    refused(catalog) || h("p", { class: "good" }, t("It is what its source has.", "与来源一致。")),
  ]);
  Object.assign(place, { drawn: JSON.stringify(catalog), items });
  list(place);
  const told = catalog.version + catalog.error; // which all workers have alike, and each its own times
  if (isAdmin() && (place.told !== told || (catalog.error && Date.now() > place.compared + REFUSED_EVERY))) {
    compare(place, catalog.error ? await get("/catalog") : {});
    Object.assign(place, { told, compared: Date.now() });
  }
  return true;
}

function build(place, title) {
  fill(place, h("h1", title), h("div", { id: "served" }),
    isAdmin() && h("p", { class: "states" }, button(t("Read it now", "立即读取"), () => reload(place), { id: "reload" }), h("span", { class: "quiet", id: "read", role: "status" })),
    h("div", { id: "refused" }),
    h("h2", t("Methods that you may call", "你可以调用的方法")), searchBox(t("Search methods", "搜索方法"), () => list(place)), h("div", { id: "methods" }));
}

/** The service reads its source and tells what came of it; the workers take what is right. */
async function reload(place) {
  const told = place.querySelector("#read");
  try {
    const source = await get("/catalog");
    compare(place, source);
    fill(told, clock(Date.now()), ": ", OUTCOMES[source.state], " ", h("code", source.version));
  } catch (error) {
    fill(told, away(error));
  }
}

/** What the source has, if it is not what serves. */
function compare(place, { problems = [], diff }) {
  const differs = t("What differs from the catalog that serves", "与正在使用的服务目录的差异");
  refill(place.querySelector("#refused"), [problems, diff], () => [
    problems.length > 0 && [h("h2", t("What is wrong", "错误列表")), table([t("File", "文件"), t("Line", "行"), t("Key", "键"), t("What to do", "如何处理")], problems.map((each) => [
      each.file, each.line || "", each.key, english(each.message)]))],
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
  return error && alarm(t("A newer catalog was not taken: {}. The last good one serves.", "新的服务目录未被采用：{}。目前仍使用上一个正确的版本。", english(error)));
}

function list(place) {
  const all = seek(place.items, "");
  const shown = seek(place.items, place.querySelector("#search").value);
  refill(place.querySelector("#methods"), [shown, all.length], () => [quiet(t("{} of {} method(s)", "{} 个方法，共 {} 个", shown.length, all.length)),
    shown.length > 0 && table([t("Method", "方法"), t("Verb", "HTTP 方法"), t("What it does", "说明")], shown.map(([service, { name, verb, summary }]) => [
      link(["try", service, name], `${service}.${name}`), verb, summary]))]);
}
