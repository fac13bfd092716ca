// The console: which page, drawn when, for whom.

import { isAdmin, loggedIn, login, logout, onEnd } from "./api.js";
import * as calls from "./calls.js";
import * as connections from "./connections.js";
import { fill, h, say } from "./dom.js";
import * as services from "./services.js";
import * as attempt from "./try.js";

const EVERY = 2000; // ms
const THEMES = ["auto", "light", "dark"];
const main = document.getElementById("main");
let drawn = 0; // which drawing is the newest

function route() {
  const [page, ...rest] = location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
  if (page === "try") return { title: "Try", nav: "#/try", draw: (at) => attempt.draw(at, ...rest) };
  if (page === "calls" && rest[0]) return { title: "Call", nav: "#/calls", draw: (at) => calls.drawOne(at, rest[0]) };
  if (page === "calls") return { title: "Failed calls", nav: "#/calls", draw: calls.drawList, live: true };
  if (page === "connections") return { title: "Connections", nav: "#/connections", draw: connections.draw, live: true };
  return { title: "Services", nav: "#/services", draw: services.draw, live: true };
}

async function show() {
  const number = ++drawn;
  const focused = document.activeElement.id; // a choice on the page may have led here
  const { title, nav, draw, live } = route();
  document.title = `${title} · Postern`;
  document.getElementById("nav").hidden = document.getElementById("logout").hidden = !loggedIn();
  document.getElementById("for-admins").hidden = !isAdmin();
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === nav) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (!loggedIn()) return drawLogin();
  const place = h("div", {});
  let first = true;
  let again = true;
  while (again && number === drawn && loggedIn()) {
    if (first || document.visibilityState === "visible") again = (await once(place, draw, number)) || live;
    if (first && number === drawn) {
      fill(main, place);
      if (number > 1) (document.getElementById(focused) || main).focus({ preventScroll: true });
      first = false;
    }
    if (again) await new Promise((resolve) => { setTimeout(resolve, EVERY); });
  }
  return undefined;
}

/** Whether to try again, whatever the page is. */
async function once(place, draw, number) {
  try {
    const again = await draw(place);
    place.querySelector(":scope > .away")?.remove();
    return again === true;
  } catch (error) {
    if (number !== drawn || !loggedIn()) return false;
    place.querySelector(":scope > .away")?.remove();
    place.prepend(h("p", { class: "alarm away", role: "alert" }, error.answer ? error.message : "Postern does not answer; trying again."));
    return true;
  }
}

function drawLogin(why = "") {
  const wrong = h("p", { class: "alarm", role: "alert" }, why);
  const form = h("form", { class: "login", onsubmit: enter },
    h("h1", {}, "Log in"),
    h("label", { for: "username" }, "Username"), h("input", { id: "username", name: "username", autocomplete: "username", required: true }),
    h("label", { for: "password" }, "Password"), h("input", { id: "password", name: "password", type: "password", autocomplete: "current-password", required: true }),
    wrong, h("button", { class: "main" }, "Log in"));
  async function enter(event) {
    event.preventDefault();
    try {
      await login(form.elements.username.value, form.elements.password.value);
      show();
    } catch (error) {
      wrong.textContent = error.answer ? error.message : "Postern does not answer.";
    }
  }
  fill(main, form);
  form.elements.username.focus();
}

function themes() {
  const button = document.getElementById("theme");
  const root = document.documentElement;
  const tell = () => { button.textContent = `Theme: ${root.dataset.theme}`; };
  button.addEventListener("click", () => {
    root.dataset.theme = THEMES[(THEMES.indexOf(root.dataset.theme) + 1) % THEMES.length];
    localStorage.setItem("theme", root.dataset.theme);
    tell();
  });
  tell();
}

themes();
onEnd(() => {
  drawn += 1;
  document.getElementById("nav").hidden = document.getElementById("logout").hidden = true;
  drawLogin("Your login has ended.");
});
document.getElementById("logout").addEventListener("click", async () => {
  await logout().catch(() => {});
  say("Logged out");
  show();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
addEventListener("hashchange", show);
show();
