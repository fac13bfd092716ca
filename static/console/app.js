// The console: which page, drawn when, for whom.

import { isAdmin, login, logout, user } from "./api.js";
import { alarm, away, button, field, fill, form, h, link, say } from "./dom.js";
import { t } from "./texts.js";

const EVERY = 2000; // ms
const RELOAD_EVERY = 60_000; // ms, at most
const THEMES = { auto: t("Theme: auto", "主题：自动"), light: t("Theme: light", "主题：浅色"), dark: t("Theme: dark", "主题：深色") };
const main = document.getElementById("main");
let shown = {}; // the page that is seen: its path and its place
let asks = new AbortController(); // of the newest drawing

/** Pages by name, which is that of the module, too; those of admin.js are for admins. A module is loaded when its page is opened. Its
 * `draw` gets the page's place, and its name, the rest of its path, its query, and the signal that a newer address gives. */
const PAGES = {
  services: { title: t("Services", "服务") },
  try: { title: t("Try", "试用") },
  calls: { title: t("Calls", "调用") },
  callers: { title: t("Caller", "调用方"), nav: "calls" },
  catalog: { title: t("Catalog", "服务目录") },
  users: { title: t("Users", "用户"), module: "admin" },
  apps: { title: t("Apps", "应用"), module: "admin" },
  audit: { title: t("Audit", "审计"), module: "admin" },
  connections: { title: t("Connections", "账号连接"), module: "admin" },
};
const NOWHERE = { title: t("Not found", "页面不存在"), draw: nowhere, rest: [] };

const links = Object.entries(PAGES).filter(([, page]) => !page.nav).map(([name, page]) => Object.assign(link([name], page.title), { name, page }));
const nav = h("nav", { "aria-label": t("Pages", "页面") }, links);
const end = button(t("Log out", "退出登录"), async () => {
  await logout().catch(() => {});
  say(t("Logged out", "已退出登录"));
  show();
}, { id: "logout" });

function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  try {
    const [name, ...rest] = (path || "services").split("/").map(decodeURIComponent);
    const page = Object.hasOwn(PAGES, name) ? PAGES[name] : NOWHERE;
    return { nav: name, module: name, ...(isHidden(page) ? NOWHERE : page), name, path, rest, query: new URLSearchParams(query) };
  } catch { // the address is not one that we have made
    return NOWHERE;
  }
}

function isHidden(page) {
  return page.module === "admin" && !isAdmin();
}

function nowhere(place) {
  const at = h("code", location.hash);
  fill(place, h("h1", t("Not found", "页面不存在")), h("p", t("There is no page at {}, or it is for admins.", "没有 {} 这个页面，或者它仅限管理员。", at)),
    h("p", link(["services"], t("To the services", "回到服务列表"))));
}

/** Draw the page of the address, again and again. While only its query changes it stays, with its forms and what is typed in them. */
async function show() {
  const isFirst = !main.hasChildNodes();
  const focused = document.activeElement.id; // a choice on the page may have led here
  const page = route();
  asks.abort(); // an older answer is not drawn over a newer one
  asks = new AbortController();
  const { signal } = asks;
  document.title = `${page.title} · Postern`;
  nav.hidden = end.hidden = !user();
  for (const each of links) {
    each.hidden = isHidden(each.page);
    each.ariaCurrent = each.name === page.nav ? "page" : null;
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
  return new Promise((resolve) => { setTimeout(resolve, EVERY); });
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
    place.alarm = alarm(error.answer ? away(error) : t("Postern does not answer; trying again.", "Postern 没有响应，正在重试。"));
    place.prepend(place.alarm);
    return true;
  }
}

/** Load all modules anew, but not over and over where that does not help. */
function reload() {
  if (Date.now() < Number(sessionStorage.getItem("reloaded")) + RELOAD_EVERY) return;
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
  }, { class: "login" }, h("h1", t("Log in", "登录")),
    field(t("Username", "用户名"), "username", { autocomplete: "username", required: true }),
    field(t("Password", "密码"), "password", { autocomplete: "current-password", type: "password", required: true }), wrong, h("button", { class: "main" }, t("Log in", "登录"))));
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
} }, t("Skip to content", "跳到正文")));
addEventListener("logout", () => {
  show();
  drawLogin(t("Your login has ended.", "登录已失效。"));
});
addEventListener("hashchange", ({ newURL }) => newURL === location.href && show()); // else a newer one comes
show();
