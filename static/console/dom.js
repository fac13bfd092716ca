// Elements from plain values. Text is always text: nothing that an answer says can become markup.

import { BASE } from "./api.js";
import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";

/** h("a", {href: "#/try", onclick: f}, "Try", ...): attributes that are null or false are left out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Put these children in place of those that are there. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(2).filter((child) => child !== null && child !== undefined));
}

/** Fill the place anew if what it shows has changed; the focus stays on what has the same id, or in the place. */
export function refill(place, shown, children) {
  const key = JSON.stringify(shown);
  if (place.drawn === key) return;
  place.drawn = key;
  keepFocus(place, () => fill(place, ...children()));
}

/** One child for each item, in this order: that of an item that has not changed stays, and what is typed in one that has. */
export function arrange(place, items, make) {
  const before = new Map([...place.children].map((each) => [each.drawn, each]));
  const children = items.map((item) => {
    const drawn = JSON.stringify(item);
    return before.get(drawn) ?? Object.assign(make(item), { drawn });
  });
  keepFocus(place, () => {
    const gone = new Set(before.values()).difference(new Set(children));
    const typed = [...gone].flatMap((each) => [...each.querySelectorAll("input")]).filter((each) => each.value !== each.defaultValue);
    place.addEventListener("change", ignore, true); // what is half typed is not sent because it is drawn anew
    gone.forEach((each) => each.remove());
    place.removeEventListener("change", ignore, true);
    children.forEach((child, at) => { if (place.children[at] !== child) place.insertBefore(child, place.children[at] ?? null); });
    for (const { id, value } of typed) if (document.getElementById(id)) document.getElementById(id).value = value;
  });
}

function ignore(event) {
  event.stopPropagation();
}

function keepFocus(place, change) {
  const focused = document.activeElement;
  const inside = place.contains(focused);
  change();
  if (!inside || document.activeElement === focused) return;
  place.tabIndex = -1;
  (document.getElementById(focused.id) || place).focus({ preventScroll: true });
}

/** A form whose values are the query of the address: f is told them when it is sent. */
export function queryForm(fields, button, address) {
  const form = h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); form.go(); } }, fields, h("button", {}, button));
  form.go = () => { if (form.reportValidity()) location.hash = form.sent = address(Object.fromEntries(new FormData(form))); };
  return form;
}

/** Take the address's values when the address changes, never afterwards, and not where the form has made it: somebody may be typing. */
export function follow(form, query) {
  if (form.query === query) return;
  form.query = query;
  const own = form.sent === location.hash;
  form.sent = null;
  if (!own) for (const { name } of form.elements) if (name) form.elements[name].value = query.get(name) ?? "";
}

export function quiet(...children) {
  return h("p", { class: "quiet" }, ...children);
}

/** What Postern says, which is English to every reader. */
export function english(text) {
  return h("span", { lang: "en" }, text);
}

/** Why it was not done, and what to do. */
export function away(error) {
  return error.answer ? [english(error.message), " ", docs(error.answer.code)] : [t("Postern does not answer.")];
}

/** Where a failure's `error.docs` leads, as this page's address has it. */
export function docs(code) {
  return h("a", { href: `${BASE}/docs/errors#${code}`, target: "_blank", rel: "noopener", "aria-label": t("What to do about {}", String(code)) }, t("What to do"));
}

/** Tell who cannot see the page. */
export function say(text) {
  document.getElementById("said").textContent = text;
}

export function ms(value) {
  if (value === null || value === undefined) return "–";
  return value < 10 ? `${value.toFixed(1)} ms` : value < 10000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function percent(share) {
  return share && share < 0.001 ? "<0.1 %" : `${(share * 100).toFixed(share < 0.1 && share ? 1 : 0)} %`;
}

export function clock(instant, options) {
  return new Date(instant).toLocaleTimeString([], options);
}

export function moment(instant) {
  return instant ? new Date(instant).toLocaleString() : "–";
}

/** A link to a page of the console by the parts of its path. */
export function link(path, text, attributes = {}) {
  return h("a", { href: `#/${path.map(encodeURIComponent).join("/")}`, ...attributes }, text);
}

export function labelled(text, control) {
  return h("div", { class: "field" }, h("label", { for: control.id }, text), control);
}

export function searchBox(label, text, f) {
  return labelled(label, h("input", { id: "search", type: "search", autocomplete: "off", value: text, oninput: (event) => f(event.target.value) }));
}

export function select(id, options, chosen, attributes = {}) {
  return h("select", { id, name: id, ...attributes }, options.map(([value, words]) => h("option", { value, selected: value === chosen }, words)));
}

/** Which of how many are shown, and the links to those before and after. */
export function pager({ skip, limit, total, items }, address) {
  return h("p", { class: "states pager" },
    h("span", { class: "quiet" }, items.length ? t("{}–{} of {}", skip + 1, skip + items.length, total) : t("none of {}", total)),
    skip ? h("a", { id: "newer", href: address(Math.max(0, skip - limit)) }, t("← Newer")) : null,
    skip + items.length < total ? h("a", { id: "older", href: address(skip + limit) }, t("Older →")) : null);
}

export function table(headings, rows) {
  return h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": t("Table") },
    h("table", {},
      h("thead", {}, h("tr", {}, headings.map((each) => h("th", { scope: "col" }, each)))),
      h("tbody", {}, rows.map((cells) => row(headings, cells)))));
}

export function row(headings, cells) {
  return h("tr", {}, cells.map((each, at) => h("td", { "data-heading": headings[at] }, each)));
}
