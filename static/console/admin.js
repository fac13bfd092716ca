// For admins: users, apps, and who did what.

import { ask, get, Refused } from "./api.js";
import { fill, h, labelled, moment, pager, select, table } from "./dom.js";

const LIMIT = 50;
const ROLES = ["guest", "user", "admin"].map((each) => [each, each]);

export function drawUsers(main, _, query) {
  return draw(main, query, {
    title: "Users", path: "users", headings: ["Name", "Role", "Since", "State", "Do"],
    row: (each, act) => [each.username, select(`role-${each.id}`, ROLES, each.role, {
      "aria-label": `Role of ${each.username}`, onchange: (event) => act("PATCH", each.id, { role: event.target.value }, `${each.username} is ${event.target.value}; all logins have ended`),
    }), moment(each.created_at), state(each), h("span", { class: "states" },
      button(`${each.disabled ? "Enable" : "Disable"} ${each.username}`, () => act("PATCH", each.id, { disabled: !each.disabled })),
      button(`New password for ${each.username}`, () => {
        const password = secret();
        act("PATCH", each.id, { password }, `New password of ${each.username}, shown this once: ${password}`);
      }, `Give ${each.username} a new password? All logins end.`),
      button(`End logins of ${each.username}`, () => act("POST", `${each.id}/revoke_tokens`, null, `All logins of ${each.username} have ended`)),
      button(`Delete ${each.username}`, () => act("DELETE", each.id, null), `Delete ${each.username}?`))],
    fresh: [["username", "Username"], ["role", "Role", select("role", ROLES, "user")]],
    create: ({ username, role }, act) => {
      const password = secret();
      return act("POST", "", { username, role, password }, `Password of ${username}, shown this once: ${password}`);
    },
  });
}

export function drawApps(main, _, query) {
  return draw(main, query, {
    title: "Apps", path: "apps", headings: ["App", "May call", "Rate", "Last used", "State", "Do"],
    row: (each, act) => [each.app_id, change(each, "allow", each.allow.join(" "), (text) => act("PATCH", each.app_id, { allow: words(text) })),
      change(each, "rate", each.rate ?? "", (text) => act("PATCH", each.app_id, { rate: text || null })), moment(each.last_used_at), state(each), h("span", { class: "states" },
        button(`${each.disabled ? "Enable" : "Disable"} ${each.app_id}`, () => act("POST", `${each.app_id}/${each.disabled ? "enable" : "disable"}`, null)),
        button(`New secret for ${each.app_id}`, () => act("POST", `${each.app_id}/rotate`, null), `Give ${each.app_id} a new secret? The present one is good until the next.`),
        button(`Delete ${each.app_id}`, () => act("DELETE", each.app_id, null), `Delete ${each.app_id}?`))],
    fresh: [["app_id", "App id"], ["allow", "May call (such as wechat.* maps)"], ["rate", "Rate (such as 100/minute)"]],
    create: ({ app_id, allow, rate }, act) => act("POST", "", { app_id, allow: words(allow), rate: rate || null }),
  });
}

export async function drawAudit(main, _, query) {
  const page = await get(`/api/v1/audit?sort=-id&${paged(query)}`);
  if (!main.querySelector("form")) {
    const form = h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); location.hash = address("audit", new URLSearchParams(new FormData(form))); } },
      ["actor", "action", "object"].map((name) => labelled(name, h("input", { id: name, name, value: query.get(name), autocomplete: "off" }))), h("button", {}, "Filter"));
    fill(main, h("h1", {}, "Audit"), h("p", { class: "quiet" }, "What was done to users, apps and connections, and to what is others’."), form, h("div", { id: "found" }));
  }
  fill(main.querySelector("#found"), table(["When", "Who", "Did", "To", "Changed", "From"], page.items.map((each) => [
    moment(each.created_at), each.actor, each.action, `${each.object}${each.name ? ` (${each.name})` : ""}`,
    Object.entries(each.changed).map(([name, value]) => (value === null ? name : `${name}=${value}`)).join(" ") || "–", each.address ?? "–"])), pages("audit", page, query));
}

async function draw(main, query, { title, path, headings, row, fresh, create }) {
  const told = h("p", { role: "status", class: "good" });
  const wrong = h("p", { role: "alert", class: "alarm" });
  const list = h("div", {});
  const form = h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); create(Object.fromEntries(new FormData(form)), act); } },
    fresh.map(([name, label, control]) => labelled(label, control || h("input", { id: name, name, required: name !== "rate", autocomplete: "off", spellcheck: "false" }))), h("button", {}, "Create"));
  async function act(verb, rest, body, words = "Done") {
    fill(told);
    fill(wrong);
    try {
      const { status, answer } = await ask(verb, `/api/v1/${path}${rest === "" ? "" : `/${rest}`}`, body);
      if (answer.code !== 0) throw new Refused(status, answer);
      const data = answer.data ?? {};
      fill(told, data.secret ? `Secret of ${data.app_id}, shown this once: ${data.secret}` : words, ...(data.warnings ?? []).map((each) => ` (${each})`));
      if (rest === "") form.reset();
    } catch (error) {
      fill(wrong, error.answer ? `${error.message} ${JSON.stringify(error.answer.error?.fields ?? {}).replace("{}", "")}` : "Postern does not answer.");
    }
    await refresh();
  }
  async function refresh() {
    const page = await get(`/api/v1/${path}?${paged(query)}`);
    const kept = document.activeElement.id;
    fill(list, table(headings, page.items.map((each) => row(each, act))), pages(path, page, query));
    if (kept) document.getElementById(kept)?.focus();
  }
  await refresh();
  fill(main, h("h1", {}, title), form, told, wrong, list);
}

function paged(query) {
  return new URLSearchParams({ ...Object.fromEntries([...query].filter(([, value]) => value)), limit: LIMIT });
}

function pages(path, page, query) {
  return pager(page, (skip) => address(path, new URLSearchParams({ ...Object.fromEntries(query), skip })));
}

function address(path, query) {
  return `#/${path}?${query}`;
}

function state({ disabled }) {
  return h("span", { class: `state ${disabled ? "bad" : "good"}` }, disabled ? "disabled" : "active");
}

/** Its first word is shown, all of them are its name. */
function button(name, f, question) {
  const words = name.split(" ");
  return h("button", { type: "button", id: name.replaceAll(" ", "-"), "aria-label": name, onclick: () => { if (!question || confirm(question)) f(); } }, words.slice(0, words[0] === "New" || words[0] === "End" ? 2 : 1).join(" "));
}

function change(app, name, value, f) {
  return h("input", { id: `${name}-${app.app_id}`, "aria-label": `${name} of ${app.app_id}`, value, placeholder: "default", onchange: (event) => f(event.target.value.trim()) });
}

function words(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

function secret() {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18)))).replaceAll("+", "-").replaceAll("/", "_");
}
