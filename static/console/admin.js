// For admins: users, apps, the accounts that services are connected to, and who did what.

import { button, english, field, h, labelled, moment, say, select, state, table } from "./dom.js";
import { drawFiltered, drawManaged } from "./lists.js";
import { t } from "./texts.js";

const ROLES = ["guest", "user", "admin"];
const CONNECTION = {
  connected: [t("connected"), "good"],
  not_connected: [t("not connected"), "quiet"],
  reconnect: [t("connect again"), "bad"],
};
const pending = new Set(); // services whose vendor's page waits

const USERS = {
  headings: [t("Name"), t("Role"), t("Created"), t("State"), t("Do")],
  cells: (user, act) => [
    user.username, role(user, act), moment(user.created_at), activity(user), buttons(user.username, [
    ["toggle", toggle(user), () => act("PATCH", `/${user.id}`, { disabled: !user.disabled })],
    ["password", t("New password"), () => {
      const password = secret();
      const words = t("Password of {}, shown this once: {}", user.username, password);
      act("PATCH", `/${user.id}`, { password }, words);
    }, t("Give {} a new password? All logins end.", user.username)],
    ["logins", t("End logins"), () => {
      act("POST", `/${user.id}/revoke_tokens`, null, t("All logins of {} have ended", user.username));
    }],
    ["delete", t("Delete"), () => act("DELETE", `/${user.id}`), t("Delete {}?", user.username)],
  ])],
  fields: () => [
    field(t("Username"), "username", { required: true }),
    labelled(t("Role"), select("role", ROLES, "user")),
  ],
  create: (user, act) => {
    const password = secret();
    const words = t("Password of {}, shown this once: {}", user.username, password);
    return act("POST", "", { ...user, password }, words);
  },
};

const APPS = {
  headings: [t("App"), t("May call"), t("Rate"), t("Last used"), t("State"), t("Do")],
  cells: (app, act) => [
    app.app_id,
    change(`allow-${app.app_id}`, t("allow of {}", app.app_id), app.allow.join(" "), (text) => {
      act("PATCH", `/${app.app_id}`, { allow: listOf(text) });
    }),
    change(`rate-${app.app_id}`, t("rate of {}", app.app_id), app.rate, (text) => {
      act("PATCH", `/${app.app_id}`, { rate: text || null });
    }),
    moment(app.last_used_at), activity(app), buttons(app.app_id, [
      ["toggle", toggle(app), () => act("POST", `/${app.app_id}/${app.disabled ? "enable" : "disable"}`)],
      ["secret", t("New secret"), () => act("POST", `/${app.app_id}/rotate`),
        t("Give {} a new secret? The present one is good until the next.", app.app_id)],
      ["delete", t("Delete"), () => act("DELETE", `/${app.app_id}`), t("Delete {}?", app.app_id)],
    ])],
  fields: () => [
    field(t("App id"), "app_id", { required: true }),
    field(t("May call (such as wechat.* maps)"), "allow", { required: true }),
    field(t("Rate (such as 100/minute)"), "rate"),
  ],
  create: ({ app_id, allow, rate }, act) => act("POST", "", { app_id, allow: listOf(allow), rate: rate || null }),
};

const CONNECTIONS = {
  headings: [t("Service"), t("State"), t("Connected"), t("Scopes"), t("Renewed"), t("Ends"), t("Last error"), t("Do")],
  none: t("No service of the catalog has auth type oauth2 with grant authorization_code or refresh_token."),
  cells: (connection, act) => {
    const { service, connected_by, last_error } = connection;
    const isConnected = connection.state === "connected";
    if (isConnected && pending.delete(service)) say(t("{} is connected", service));
    return [
      h("b", service), state(...CONNECTION[connection.state]),
      connected_by && t("{} by {}", moment(connection.connected_at), connected_by), connection.scopes.join(" "),
      moment(connection.last_refreshed_at), moment(connection.expires_at), last_error && english(last_error),
      buttons(service, [
        connection.grant === "authorization_code" && [
          "connect", isConnected ? t("Connect anew") : t("Connect"), ({ target }) => connect(service, target, act)],
        connection.state !== "not_connected" && [
          "end", t("Disconnect"),
          () => act("DELETE", `/${encodeURIComponent(service)}`, null, t("{} is disconnected", service)),
          t("Disconnect {}? Its calls are refused until it is connected again.", service)],
      ])];
  },
};

const AUDIT = {
  fields: [field(t("Actor"), "actor"), field(t("Action"), "action"), field(t("Object"), "object")],
  sent: (query) => `${query}&sort=-id`,
  found: (acts) => table([t("When"), t("Who"), t("Did"), t("To"), t("Changed"), t("From")], acts.map((act) => [
    moment(act.created_at), act.actor, act.action, act.object + (act.name ? ` (${act.name})` : ""),
    Object.entries(act.changed).map(([name, value]) => (value === null ? name : `${name}=${value}`)).join(" "),
    act.address])),
};

export async function draw(place, page) {
  if (page.name === "audit") return drawFiltered(place, page, AUDIT);
  await drawManaged(place, page, { users: USERS, apps: APPS, connections: CONNECTIONS }[page.name]);
  return page.name === "connections"; // which changes in another tab
}

/** A role that is refused is not shown on. */
function role(user, act) {
  const label = t("Role of {}", user.username);
  return select(`role-${user.id}`, ROLES, user.role, { "aria-label": label, onchange: async ({ target }) => {
    const words = t("{} is {}; all logins have ended", user.username, target.value);
    if (!await act("PATCH", `/${user.id}`, { role: target.value }, words)) target.value = user.role;
  } });
}

/** The link to the vendor's page takes the button's place until the row changes. */
async function connect(service, place, act) {
  const begin = await act("POST", `/${encodeURIComponent(service)}/authorize`, null, "");
  if (!begin) return;
  pending.add(service);
  const href = begin.authorization_url;
  const opener = h("a", { id: place.id, href, target: "_blank", rel: "noopener noreferrer" },
    t("Open the page of {}", service));
  place.replaceWith(opener);
  opener.focus();
}

function activity({ disabled }) {
  return disabled ? state(t("disabled"), "bad") : state(t("active"), "good");
}

function toggle({ disabled }) {
  return disabled ? t("Enable") : t("Disable");
}

/** Descriptions: [id, words, what it does, the question before it]. */
function buttons(name, descriptions) {
  return h("span", { class: "states" }, descriptions.filter(Boolean).map(([id, words, f, question]) => {
    const attributes = { id: `${id}-${name}`, "aria-label": `${words} ${name}` };
    return button(words, (event) => (!question || confirm(question)) && f(event), attributes);
  }));
}

function change(id, label, value, f) {
  return h("input", { id, "aria-label": label, value, placeholder: t("default"), onchange: ({ target }) => {
    target.defaultValue = target.value; // no longer only typed
    f(target.value.trim());
  } });
}

function listOf(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

function secret() {
  return Array.from(crypto.getRandomValues(new Uint8Array(18)), (byte) => byte.toString(36)).join("");
}
