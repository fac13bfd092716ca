// The console: which page, drawn when, for whom.

import { isAdmin, login, logout, user } from "./api.js";
import { alarm, away, button, field, fill, form, h, link, say } from "./dom.js";
import { t } from "./texts.js";

const DRAW_MS = 2000; // between two drawings
const RELOAD_MS = 60_000; // between two reloads, at least
const THEMES = { auto: t("Theme: auto"), light: t("Theme: light"), dark: t("Theme: dark") };
const main = document.getElementById("main");
let shown = {}; // the page that is seen: its path and its place
let asks = new AbortController(); // of the newest drawing

/** Pages by name, which is that of the module, too; those of admin.js are for admins. A module is loaded when its page
 * is opened. Its `draw` gets the page's place, and its name, the rest of its path, its query, and the signal that a
 * newer address gives. */
const PAGES = {
  services: { title: t("Services") },
  try: { title: t("Try") },
  calls: { title: t("Calls") },
  callers: { title: t("Caller"), nav: "calls" },
  catalog: { title: t("Catalog") },
  users: { title: t("Users"), module: "admin" },
  apps: { title: t("Apps"), module: "admin" },
  audit: { title: t("Audit"), module: "admin" },
  connections: { title: t("Connections"), module: "admin" },
};
const NOWHERE = { title: t("Not found"), draw: nowhere, rest: [] };

const links = Object.entries(PAGES).filter(([, page]) => !page.nav)
  .map(([name, page]) => Object.assign(link([name], page.title), { name, page }));
const nav = h("nav", { "aria-label": t("Pages") }, links);
const end = button(t("Log out"), async () => {
  await logout().catch(() => {});
  say(t("Logged out"));
  show();
}, { id: "logout" });

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  try {
    const [name, ...rest] = (path || "services").split("/").map(decodeURIComponent);
    const page = Object.hasOwn(PAGES, name) ? PAGES[name] : NOWHERE;
    const defaults = { nav: name, module: name };
    return { ...defaults, ...(isHidden(page) ? NOWHERE : page), name, path, rest, query: new URLSearchParams(query) };
  } catch { // the address is not one that we have made
    return NOWHERE;
  }
}

function isHidden(page) {
  return page.module === "admin" && !isAdmin();
}

function nowhere(place) {
  const at = h("code", location.hash);
  fill(place, h("h1", t("Not found")), h("p", t("There is no page at {}, or it is for admins.", at)),
    h("p", link(["services"], t("To the services"))));
}

/** Draw the page of the address, again and again. While only its query changes it stays, with its forms and what is
 * typed in them. */
async function show() {
  const isFirst = !main.hasChildNodes();
  const focused = document.activeElement.id; // a choice on the page may have led here
  const page = route();
  asks.abort(); // an older answer is not drawn over a newer one
  asks = new AbortController();
  const { signal } = asks;
  document.title = `${page.title} · Postern`;
  nav.hidden = end.hidden = !user();
  for (const element of links) {
    element.hidden = isHidden(element.page);
    element.ariaCurrent = element.name === page.nav ? "page" : null;
  }
  if (!user()) return main.querySelector(".login") || drawLogin();
  const stays = page.path === shown.path && shown.place?.isConnected;
  const { place } = stays ? shown : { place: h("div") };
  for (let isNew = !stays, again = true; again && !signal.aborted; await pause()) {
    if (isNew || document.visibilityState === "visible") again = await once(place, page, signal);
    if (isNew && !signal.aborted) {
      shown = { path: page.path, place };
      fill(main, place);
      if (!isFirst) (document.getElementById(focused) || main).focus({ preventScroll: true });
      isNew = false;
    }
  }
  return null;
}

function pause() {
  return new Promise((resolve) => { setTimeout(resolve, DRAW_MS); });
}

/** Whether to draw again: the page lives, or Postern is away. */
async function once(place, page, signal) {
  try {
    const { draw } = page.draw ? page : await import(`./${page.module}.js`);
    const again = await draw(place, { ...page, signal });
    place.alarm?.remove();
    return again === true;
  } catch (error) {
    if (signal.aborted || !user()) return false;
    if (error instanceof SyntaxError) reload(); // a module of a later release than those that are loaded
    place.alarm?.remove();
    place.alarm = alarm(error.answer ? away(error) : t("Postern does not answer; trying again."));
    place.prepend(place.alarm);
    return true;
  }
}

/** Load all modules anew, but not over and over where that does not help. */
function reload() {
  if (Date.now() < Number(sessionStorage.getItem("reloaded")) + RELOAD_MS) return;
  sessionStorage.setItem("reloaded", Date.now());
  location.reload();
}

function drawLogin(why = "") {
  const wrong = alarm(why);
  fill(main, form(async ({ username, password }) => {
    try {
      await login(username, password);
      show();
    } catch (error) {
      fill(wrong, away(error));
    }
  }, { class: "login" }, h("h1", t("Log in")),
    field(t("Username"), "username", { autocomplete: "username", required: true }),
    field(t("Password"), "password", { autocomplete: "current-password", type: "password", required: true }),
    wrong, h("button", { class: "main" }, t("Log in"))));
  document.getElementById("username").focus();
}

function themes() {
  const { dataset } = document.documentElement;
  const names = Object.keys(THEMES);
  const turn = button(THEMES[dataset.theme], () => {
    dataset.theme = names[(names.indexOf(dataset.theme) + 1) % names.length];
    localStorage.setItem("theme", dataset.theme);
    turn.textContent = THEMES[dataset.theme];
  }, { id: "theme" });
  return turn;
}

document.querySelector("header").append(nav, themes(), end);
document.body.prepend(h("a", { class: "skip", href: "#main", onclick: (event) => {
  event.preventDefault();
  main.focus();
} }, t("Skip to content")));
addEventListener("logout", () => {
  show();
  drawLogin(t("Your login has ended."));
});
addEventListener("hashchange", ({ newURL }) => newURL === location.href && show()); // else a newer one comes
show();
