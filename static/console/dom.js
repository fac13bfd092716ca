// Elements from plain values. Text is always text: nothing that an answer says can become markup.

import { BASE } from "./api.js";
import { t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";

/** h("a", {href: "#/try", onclick: f}, "Try", ...): attributes, if there are any, and children. What is null or false
 * is left out. */
export function h(tag, ...rest) {
  return filled(document.createElement(tag), rest);
}

export function svg(tag, ...rest) {
  return filled(document.createElementNS(SVG, tag), rest);
}

function filled(element, children) {
  const attributes = children[0]?.constructor === Object ? children.shift() : {};
  for (const [name, value] of Object.entries(attributes)) {
    if (!isThere(value)) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  fill(element, children);
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(isThere));
}

function isThere(value) {
  return value !== null && value !== undefined && value !== false;
}

/** Fill the place anew if what it shows has changed; the focus stays on what has the same id, or in the place. */
export function refill(place, shown, children) {
  const key = JSON.stringify(shown);
  if (place.drawn === key) return;
  place.drawn = key;
  keepFocus(place, () => fill(place, children()));
}

/** One child for each item, in this order: that of an item that has not changed stays, and what is typed in one that
 * has. */
export function arrange(place, items, make) {
  const before = new Map([...place.children].map((child) => [child.drawn, child]));
  const children = items.map((item) => {
    const drawn = JSON.stringify(item);
    return before.get(drawn) ?? Object.assign(make(item), { drawn });
  });
  keepFocus(place, () => {
    const gone = [...place.children].filter((child) => !children.includes(child));
    const inputs = gone.flatMap((child) => [...child.querySelectorAll("input")]);
    const typed = inputs.filter((input) => input.value !== input.defaultValue);
    const ignore = (event) => event.stopPropagation();
    place.addEventListener("change", ignore, true); // what is half typed is not sent because it is drawn anew
    gone.forEach((child) => child.remove());
    place.removeEventListener("change", ignore, true);
    children.forEach((child, at) => {
      if (place.children[at] !== child) place.insertBefore(child, place.children[at]);
    });
    for (const { id, value } of typed) if (document.getElementById(id)) document.getElementById(id).value = value;
  });
}

function keepFocus(place, change) {
  const focused = document.activeElement;
  const inside = place.contains(focused);
  change();
  if (!inside || document.activeElement === focused) return;
  place.tabIndex = -1;
  (document.getElementById(focused.id) || place).focus({ preventScroll: true });
}

export function alarm(...children) {
  return h("p", { class: "alarm", role: "alert" }, ...children);
}

export function pre(label, words, attributes = {}) {
  return h("pre", { tabindex: 0, "aria-label": label, ...attributes }, words);
}

export function quiet(...children) {
  return h("p", { class: "quiet" }, ...children);
}

/** A text as it is, any other value as JSON. */
export function text(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** What Postern says, which is English to every reader. */
export function english(words) {
  return h("span", { lang: "en" }, words);
}

export function away({ answer }) {
  return answer?.code ? [english(answer.message), " ", docs(answer.code)] : t("Postern does not answer.");
}

/** Where a failure's `error.docs` leads, as this page's address has it. */
export function docs(code) {
  const label = t("What to do about {}", code);
  const href = `${BASE}/docs/errors#${code}`;
  return h("a", { href, target: "_blank", rel: "noopener", "aria-label": label }, t("What to do"));
}

/** Tell who cannot see the page. */
export function say(words) {
  document.getElementById("said").textContent = words;
}

export function ms(value) {
  if (!isThere(value)) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`;
  return `${value.toFixed(value < 10 ? 1 : 0)} ms`;
}

export function clock(instant, options) {
  return new Date(instant).toLocaleTimeString([], options);
}

export function moment(instant) {
  return instant && new Date(instant).toLocaleString();
}

/** The address of a page of the console by the parts of its path, and the values of its query that are not empty. */
export function address(path, values = {}) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  return `#/${path.map(encodeURIComponent).join("/")}${query.size ? `?${query}` : ""}`;
}

export function link(path, words, attributes = {}) {
  return h("a", { href: address(path), ...attributes }, words);
}

export function button(words, onclick, attributes = {}) {
  return h("button", { type: "button", onclick, ...attributes }, words);
}

export function labelled(words, control) {
  return h("div", { class: "field" }, h("label", { for: control.id }, words), control);
}

export function field(label, id, attributes = {}) {
  return labelled(label, h("input", { id, name: id, autocomplete: "off", spellcheck: "false", ...attributes }));
}

export function searchBox(label, f) {
  return field(label, "search", { type: "search", oninput: (event) => f(event.target.value) });
}

/** Options: values, or [value, words]. */
export function select(id, options, chosen, attributes = {}) {
  return h("select", { id, name: id, ...attributes }, options.map((option) => {
    const [value, words = value] = [option].flat();
    return h("option", { value, selected: value === chosen }, words);
  }));
}

/** A form on one line, whose values f gets. */
export function form(f, attributes, ...children) {
  return h("form", { class: "row", onsubmit: (event) => {
    event.preventDefault();
    f(Object.fromEntries(new FormData(event.target)));
  }, ...attributes }, ...children);
}

/** A cell that is null or empty is a dash. */
export function table(headings, rows) {
  return h("div", { class: "wide", tabindex: 0, role: "region", "aria-label": t("Table") },
    h("table",
      h("thead", h("tr", headings.map((heading) => h("th", { scope: "col" }, heading)))),
      h("tbody", rows.map((cells) => row(headings, cells)))));
}

export function row(headings, cells) {
  return h("tr", cells.map((cell, at) => h("td", { "data-heading": headings[at] }, cell === "" ? "–" : cell ?? "–")));
}

export function state(words, kind) {
  return h("span", { class: `state ${kind}` }, words);
}
