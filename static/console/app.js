// The console: which page, drawn when, for whom.

import { isAdmin, loggedIn, login, logout, onEnd } from "./api.js";
import { away, fill, h, labelled, say } from "./dom.js";
import { t, translatePage } from "./texts.js";

const EVERY = 2000; // ms
const RELOAD_EVERY = 60_000; // ms, at most
const THEMES = { auto: t("Theme: auto"), light: t("Theme: light"), dark: t("Theme: dark") };
const main = document.getElementById("main");
let drawn = 0; // which drawing is the newest
let shown = {}; // the page that is seen: its path and its place
let asks = new AbortController(); // of the newest drawing

/** Pages by name. The module of one is loaded when it is opened; its function draws from the rest of the address, its query, and the
 * signal that a newer address gives. */
const PAGES = {
  services: { title: t("Services"), load: () => import("./services.js") },
  try: { title: t("Try"), load: () => import("./try.js") },
  calls: { title: t("Calls"), load: () => import("./calls.js") },
  callers: { title: t("Caller"), nav: "calls", load: () => import("./callers.js") },
  catalog: { title: t("Catalog"), load: () => import("./catalog.js") },
  users: { title: t("Users"), load: () => import("./admin.js"), by: "drawUsers", admin: true },
  apps: { title: t("Apps"), load: () => import("./admin.js"), by: "drawApps", admin: true },
  audit: { title: t("Audit"), load: () => import("./admin.js"), by: "drawAudit", admin: true },
  connections: { title: t("Connections"), load: () => import("./connections.js"), admin: true },
};
const NOWHERE = { title: t("Not found"), load: () => ({ draw: nowhere }) };

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  try {
    const [name, ...rest] = (path || "services").split("/").map(decodeURIComponent);
    const page = Object.hasOwn(PAGES, name) ? PAGES[name] : NOWHERE;
    return { ...(page.admin && !isAdmin() ? NOWHERE : page), name, path, rest, query: new URLSearchParams(query) };
  } catch { // the address is not one that we have made
    return { ...NOWHERE, rest: [] };
  }
}

function nowhere(at) {
  const address = h("code", {}, location.hash);
  fill(at, h("h1", {}, t("Not found")), h("p", {}, isAdmin() ? t("There is no page at {}.", address) : t("There is no page at {}, or it is for admins.", address)),
    h("p", {}, h("a", { href: "#/services" }, t("To the services"))));
}

/** Draw the page of the address, again and again. While only its query changes it stays, with its forms and what is typed in them. */
async function show() {
  const number = ++drawn;
  const focused = document.activeElement.id; // a choice on the page may have led here
  const { title, name, nav = name, path, rest, query, load, by = "draw" } = route();
  asks.abort(); // an older answer is not drawn over a newer one
  asks = new AbortController();
  const { signal } = asks;
  document.title = `${title} · Postern`;
  document.getElementById("nav").hidden = document.getElementById("logout").hidden = !loggedIn();
  for (const link of document.querySelectorAll("[data-admin]")) link.hidden = !isAdmin();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${nav}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!loggedIn()) return main.querySelector(".login") ? undefined : drawLogin();
  const stays = path === shown.path && shown.place?.isConnected;
  const place = stays ? shown.place : h("div", {});
  let first = !stays;
  let again = true;
  while (again && number === drawn && loggedIn()) {
    if (first || document.visibilityState === "visible") again = await once(place, async () => (await load())[by](place, rest, query, signal), number);
    if (first && number === drawn) {
      shown = { path, place };
      fill(main, place);
      if (number > 1) (document.getElementById(focused) || main).focus({ preventScroll: true });
      first = false;
    }
    if (again) await new Promise((resolve) => { setTimeout(resolve, EVERY); });
  }
  return undefined;
}

/** Whether to draw again: the page lives, or Postern is away. */
async function once(place, draw, number) {
  try {
    const again = await draw();
    place.querySelector(":scope > .away")?.remove();
    return again === true;
  } catch (error) {
    if (number !== drawn || !loggedIn()) return false;
    if (error instanceof SyntaxError) reload(); // a module of a later release than those that are loaded
    place.querySelector(":scope > .away")?.remove();
    place.prepend(h("p", { class: "alarm away", role: "alert" }, error.answer ? away(error) : t("Postern does not answer; trying again.")));
    return true;
  }
}

/** Load all modules anew, but not over and over where that does not help. */
function reload() {
  if (Date.now() < Number(sessionStorage.getItem("reloaded")) + RELOAD_EVERY) return;
  sessionStorage.setItem("reloaded", String(Date.now()));
  location.reload();
}

function drawLogin(why = "") {
  const wrong = h("p", { class: "alarm", role: "alert" }, why);
  const field = (label, name, autocomplete, type) => labelled(label, h("input", { id: name, name, autocomplete, type, required: true }));
  const form = h("form", { class: "login", onsubmit: enter }, h("h1", {}, t("Log in")),
    field(t("Username"), "username", "username"), field(t("Password"), "password", "current-password", "password"), wrong, h("button", { class: "main" }, t("Log in")));
  async function enter(event) {
    event.preventDefault();
    try {
      await login(form.elements.username.value, form.elements.password.value);
      show();
    } catch (error) {
      fill(wrong, away(error));
    }
  }
  fill(main, form);
  form.elements.username.focus();
}

function themes() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const names = Object.keys(THEMES);
  const tell = () => { button.textContent = THEMES[root.dataset.theme]; };
  button.addEventListener("click", () => {
    root.dataset.theme = names[(names.indexOf(root.dataset.theme) + 1) % names.length];
    localStorage.setItem("theme", root.dataset.theme);
    tell();
  });
  tell();
}

translatePage();
themes();
onEnd(() => {
  drawn += 1;
  document.getElementById("nav").hidden = document.getElementById("logout").hidden = true;
  drawLogin(t("Your login has ended."));
});
document.getElementById("logout").addEventListener("click", async () => {
  await logout().catch(() => {});
  say(t("Logged out"));
  show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", ({ newURL }) => newURL === location.href && show()); // else a newer one comes
show();
