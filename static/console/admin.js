// For admins: users, apps, and who did what.

import { ask, get, Refused } from "./api.js";
import { arrange, fill, follow, h, labelled, moment, pager, queryForm, refill, row, select, table } from "./dom.js";

const LIMIT = 50;
const ROLES = ["guest", "user", "admin"].map((each) => [each, each]);

export function drawUsers(main, _, query) {
  return draw(main, query, {
    title: "Users", path: "users", headings: ["Name", "Role", "Since", "State", "Do"],
    cells: (each, act) => [each.username, role(each, act), moment(each.created_at), state(each), h("span", { class: "states" },
      button(each.disabled ? "Enable" : "Disable", each.username, () => act("PATCH", each.id, { disabled: !each.disabled })),
      button("New password", each.username, () => {
        const password = secret();
        return act("PATCH", each.id, { password }, `New password of ${each.username}, shown this once: ${password}`);
      }, `Give ${each.username} a new password? All logins end.`),
      button("End logins", each.username, () => act("POST", `${each.id}/revoke_tokens`, null, `All logins of ${each.username} have ended`)),
      button("Delete", each.username, () => act("DELETE", each.id, null), `Delete ${each.username}?`))],
    fresh: [["username", "Username"], ["role", "Role", select("role", ROLES, "user")]],
    create: ({ username, role: given }, act) => {
      const password = secret();
      return act("POST", "", { username, role: given, password }, `Password of ${username}, shown this once: ${password}`);
    },
  });
}

/** A role that is refused is not shown on. */
function role({ id, username, role: present }, act) {
  return select(`role-${id}`, ROLES, present, { "aria-label": `Role of ${username}`, onchange: async ({ target }) => {
    if (!await act("PATCH", id, { role: target.value }, `${username} is ${target.value}; all logins have ended`)) target.value = present;
  } });
}

export function drawApps(main, _, query) {
  return draw(main, query, {
    title: "Apps", path: "apps", headings: ["App", "May call", "Rate", "Last used", "State", "Do"],
    cells: (each, act) => [each.app_id, change(each, "allow", each.allow.join(" "), (text) => act("PATCH", each.app_id, { allow: words(text) })),
      change(each, "rate", each.rate ?? "", (text) => act("PATCH", each.app_id, { rate: text || null })), moment(each.last_used_at), state(each), h("span", { class: "states" },
        button(each.disabled ? "Enable" : "Disable", each.app_id, () => act("POST", `${each.app_id}/${each.disabled ? "enable" : "disable"}`, null)),
        button("New secret", each.app_id, () => act("POST", `${each.app_id}/rotate`, null), `Give ${each.app_id} a new secret? The present one is good until the next.`),
        button("Delete", each.app_id, () => act("DELETE", each.app_id, null), `Delete ${each.app_id}?`))],
    fresh: [["app_id", "App id"], ["allow", "May call (such as wechat.* maps)"], ["rate", "Rate (such as 100/minute)"]],
    create: ({ app_id, allow, rate }, act) => act("POST", "", { app_id, allow: words(allow), rate: rate || null }),
  });
}

export async function drawAudit(main, _, query, signal) {
  if (!main.querySelector("form")) {
    fill(main, h("h1", {}, "Audit"), h("p", { class: "quiet" }, "What was done to users, apps and connections, and to what is others’."),
      queryForm(["actor", "action", "object"].map((name) => labelled(name, h("input", { id: name, name, autocomplete: "off" }))), "Filter", (values) => address("audit", values)),
      h("div", { id: "found" }));
  }
  follow(main.querySelector("form"), query);
  const page = await get(`/api/v1/audit?sort=-id&${paged(query)}`, signal);
  refill(main.querySelector("#found"), [page, query.toString()], () => [
    table(["When", "Who", "Did", "To", "Changed", "From"], page.items.map((each) => [
      moment(each.created_at), each.actor, each.action, `${each.object}${each.name ? ` (${each.name})` : ""}`,
      Object.entries(each.changed).map(([name, value]) => (value === null ? name : `${name}=${value}`)).join(" ") || "–", each.address ?? "–"])),
    pages("audit", page, query)]);
}

function draw(main, query, page) {
  main.refresh ??= build(main, page);
  return main.refresh(query);
}

/** What stays while the list changes; gives what asks for the list. */
function build(main, { title, path, headings, cells, fresh, create }) {
  let shown; // the query
  let newest = 0; // an older list is not drawn over a newer one
  const told = h("p", { role: "status", class: "good" });
  const wrong = h("p", { role: "alert", class: "alarm" });
  const list = table(headings, []);
  const pagers = h("div", {});
  const form = h("form", { class: "row", onsubmit: (event) => { event.preventDefault(); make(); } },
    fresh.map(([name, label, control]) => labelled(label, control || h("input", { id: name, name, required: name !== "rate", autocomplete: "off", spellcheck: "false" }))), h("button", {}, "Create"));
  const given = () => Object.fromEntries(new FormData(form));
  async function make() {
    const sent = given();
    if (await create(sent, act) && JSON.stringify(given()) === JSON.stringify(sent)) form.reset(); // else the next one is being typed
  }
  /** Whether Postern has done it. */
  async function act(verb, rest, body, words = "Done") {
    fill(told);
    fill(wrong);
    try {
      const { status, answer } = await ask(verb, `/api/v1/${path}${rest === "" ? "" : `/${rest}`}`, body);
      if (answer.code !== 0) throw new Refused(status, answer);
      const data = answer.data ?? {};
      fill(told, data.secret ? `Secret of ${data.app_id}, shown this once: ${data.secret}` : words, ...(data.warnings ?? []).map((each) => ` (${each})`));
      await refresh(shown);
      return true;
    } catch (error) {
      fill(wrong, error.answer ? `${error.message} ${JSON.stringify(error.answer.error?.fields ?? {}).replace("{}", "")}` : "Postern does not answer.");
      return false;
    }
  }
  async function refresh(query) {
    const number = ++newest;
    shown = query;
    const page = await get(`/api/v1/${path}?${paged(query)}`);
    if (number !== newest) return;
    arrange(list.querySelector("tbody"), page.items, (each) => row(headings, cells(each, act)));
    refill(pagers, [page.skip, page.total, query.toString()], () => [pages(path, page, query)]);
  }
  fill(main, h("h1", {}, title), form, told, wrong, list, pagers);
  return refresh;
}

function paged(query) {
  return new URLSearchParams({ ...Object.fromEntries([...query].filter(([, value]) => value)), limit: LIMIT });
}

function pages(path, page, query) {
  return pager(page, (skip) => address(path, { ...Object.fromEntries(query), skip }));
}

function address(path, values) {
  return `#/${path}?${new URLSearchParams(values)}`;
}

function state({ disabled }) {
  return h("span", { class: `state ${disabled ? "bad" : "good"}` }, disabled ? "disabled" : "active");
}

function button(words, name, f, question) {
  return h("button", { type: "button", id: `${words === "Enable" ? "Disable" : words}-${name}`, "aria-label": `${words} ${name}`, onclick: () => { if (!question || confirm(question)) f(); } }, words);
}

function change(app, name, value, f) {
  return h("input", { id: `${name}-${app.app_id}`, "aria-label": `${name} of ${app.app_id}`, value, placeholder: "default", onchange: ({ target }) => {
    target.defaultValue = target.value; // no longer only typed
    f(target.value.trim());
  } });
}

function words(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

function secret() {
  return btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18)))).replaceAll("+", "-").replaceAll("/", "_");
}
