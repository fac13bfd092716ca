// For admins: users, apps, and who did what.

import { ask, get, Refused } from "./api.js";
import { arrange, away, fill, follow, h, labelled, moment, pager, queryForm, quiet, refill, row, select, table } from "./dom.js";
import { t } from "./texts.js";

const LIMIT = 50;
const ROLES = ["guest", "user", "admin"].map((each) => [each, each]);

export function drawUsers(main, _, query) {
  return draw(main, query, {
    title: t("Users"), path: "users", headings: [t("Name"), t("Role"), t("Created"), t("State"), t("Do")],
    cells: (each, act) => [each.username, role(each, act), moment(each.created_at), state(each), h("span", { class: "states" },
      toggle(each, each.username, () => act("PATCH", each.id, { disabled: !each.disabled })),
      button("password", t("New password"), each.username, () => {
        const password = secret();
        return act("PATCH", each.id, { password }, t("New password of {}, shown this once: {}", each.username, password));
      }, t("Give {} a new password? All logins end.", each.username)),
      button("logins", t("End logins"), each.username, () => act("POST", `${each.id}/revoke_tokens`, null, t("All logins of {} have ended", each.username))),
      button("delete", t("Delete"), each.username, () => act("DELETE", each.id, null), t("Delete {}?", each.username)))],
    fresh: [["username", t("Username")], ["role", t("Role"), select("role", ROLES, "user")]],
    create: ({ username, role: given }, act) => {
      const password = secret();
      return act("POST", "", { username, role: given, password }, t("Password of {}, shown this once: {}", username, password));
    },
  });
}

/** A role that is refused is not shown on. */
function role({ id, username, role: present }, act) {
  return select(`role-${id}`, ROLES, present, { "aria-label": t("Role of {}", username), onchange: async ({ target }) => {
    if (!await act("PATCH", id, { role: target.value }, t("{} is {}; all logins have ended", username, target.value))) target.value = present;
  } });
}

export function drawApps(main, _, query) {
  return draw(main, query, {
    title: t("Apps"), path: "apps", headings: [t("App"), t("May call"), t("Rate"), t("Last used"), t("State"), t("Do")],
    cells: (each, act) => [each.app_id, change(each, "allow", t("allow of {}", each.app_id), each.allow.join(" "), (text) => act("PATCH", each.app_id, { allow: words(text) })),
      change(each, "rate", t("rate of {}", each.app_id), each.rate ?? "", (text) => act("PATCH", each.app_id, { rate: text || null })), moment(each.last_used_at), state(each), h("span", { class: "states" },
        toggle(each, each.app_id, () => act("POST", `${each.app_id}/${each.disabled ? "enable" : "disable"}`, null)),
        button("secret", t("New secret"), each.app_id, () => act("POST", `${each.app_id}/rotate`, null), t("Give {} a new secret? The present one is good until the next.", each.app_id)),
        button("delete", t("Delete"), each.app_id, () => act("DELETE", each.app_id, null), t("Delete {}?", each.app_id)))],
    fresh: [["app_id", t("App id")], ["allow", t("May call (such as wechat.* maps)")], ["rate", t("Rate (such as 100/minute)")]],
    create: ({ app_id, allow, rate }, act) => act("POST", "", { app_id, allow: words(allow), rate: rate || null }),
  });
}

export async function drawAudit(main, _, query, signal) {
  if (!main.querySelector("form")) {
    fill(main, h("h1", {}, t("Audit")), quiet(t("What was done to users, apps and connections, and to what is others’.")),
      queryForm([["actor", t("Actor")], ["action", t("Action")], ["object", t("Object")]].map(([name, label]) => labelled(label, h("input", { id: name, name, autocomplete: "off" }))), t("Filter"), (values) => address("audit", values)),
      h("div", { id: "found" }));
  }
  follow(main.querySelector("form"), query);
  const page = await get(`/api/v1/audit?sort=-id&${paged(query)}`, signal);
  refill(main.querySelector("#found"), [page, query.toString()], () => [
    table([t("When"), t("Who"), t("Did"), t("To"), t("Changed"), t("From")], page.items.map((each) => [
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
    fresh.map(([name, label, control]) => labelled(label, control || h("input", { id: name, name, required: name !== "rate", autocomplete: "off", spellcheck: "false" }))), h("button", {}, t("Create")));
  const given = () => Object.fromEntries(new FormData(form));
  async function make() {
    const sent = given();
    if (await create(sent, act) && JSON.stringify(given()) === JSON.stringify(sent)) form.reset(); // else the next one is being typed
  }
  /** Whether Postern has done it. */
  async function act(verb, rest, body, words = t("Done")) {
    fill(told);
    fill(wrong);
    try {
      const { status, answer } = await ask(verb, `/api/v1/${path}${rest === "" ? "" : `/${rest}`}`, body);
      if (answer.code !== 0) throw new Refused(status, answer);
      const data = answer.data ?? {};
      fill(told, data.secret ? t("Secret of {}, shown this once: {}", data.app_id, data.secret) : words, ...(data.warnings ?? []).map((each) => ` (${each})`));
      await refresh(shown);
      return true;
    } catch (error) {
      fill(wrong, away(error), " ", error.answer?.error?.fields ? JSON.stringify(error.answer.error.fields) : null);
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
  return h("span", { class: `state ${disabled ? "bad" : "good"}` }, disabled ? t("disabled") : t("active"));
}

function toggle({ disabled }, name, f) {
  return button("toggle", disabled ? t("Enable") : t("Disable"), name, f);
}

function button(id, words, name, f, question) {
  return h("button", { type: "button", id: `${id}-${name}`, "aria-label": `${words} ${name}`, onclick: () => { if (!question || confirm(question)) f(); } }, words);
}

function change(app, name, label, value, f) {
  return h("input", { id: `${name}-${app.app_id}`, "aria-label": label, value, placeholder: t("default"), onchange: ({ target }) => {
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
