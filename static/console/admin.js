// For admins: users, apps, the accounts that services are connected to, and who did what.

import { button, english, field, h, labelled, moment, say, select, state, table } from "./dom.js";
import { drawFiltered, drawManaged } from "./lists.js";
import { t } from "./texts.js";

const ROLES = ["guest", "user", "admin"];
const CONNECTION = { connected: [t("connected", "已连接"), "good"], not_connected: [t("not connected", "未连接"), "quiet"], reconnect: [t("connect again", "需要重新连接"), "bad"] };
const begun = new Set(); // services whose vendor's page waits

const USERS = {
  headings: [t("Name", "名称"), t("Role", "角色"), t("Created", "创建时间"), t("State", "状态"), t("Do", "操作")],
  cells: (user, act) => [user.username, role(user, act), moment(user.created_at), activity(user), buttons(user.username, [
    ["toggle", toggle(user), () => act("PATCH", `/${user.id}`, { disabled: !user.disabled })],
    ["password", t("New password", "重置密码"), () => {
      const password = secret();
      act("PATCH", `/${user.id}`, { password }, t("Password of {}, shown this once: {}", "{} 的密码（只显示这一次）：{}", user.username, password));
    }, t("Give {} a new password? All logins end.", "确定为 {} 重置密码吗？其所有登录都会失效。", user.username)],
    ["logins", t("End logins", "强制下线"), () => act("POST", `/${user.id}/revoke_tokens`, null, t("All logins of {} have ended", "{} 的所有登录已失效", user.username))],
    ["delete", t("Delete", "删除"), () => act("DELETE", `/${user.id}`), t("Delete {}?", "确定删除 {} 吗？", user.username)],
  ])],
  fields: () => [field(t("Username", "用户名"), "username", { required: true }), labelled(t("Role", "角色"), select("role", ROLES, "user"))],
  create: (user, act) => {
    const password = secret();
    return act("POST", "", { ...user, password }, t("Password of {}, shown this once: {}", "{} 的密码（只显示这一次）：{}", user.username, password));
  },
};

const APPS = {
  headings: [t("App", "应用"), t("May call", "可以调用"), t("Rate", "限额"), t("Last used", "最近使用"), t("State", "状态"), t("Do", "操作")],
  cells: (app, act) => [
    app.app_id,
    change(`allow-${app.app_id}`, t("allow of {}", "{} 可以调用的范围", app.app_id), app.allow.join(" "), (text) => act("PATCH", `/${app.app_id}`, { allow: listOf(text) })),
    change(`rate-${app.app_id}`, t("rate of {}", "{} 的限额", app.app_id), app.rate, (text) => act("PATCH", `/${app.app_id}`, { rate: text || null })),
    moment(app.last_used_at), activity(app), buttons(app.app_id, [
      ["toggle", toggle(app), () => act("POST", `/${app.app_id}/${app.disabled ? "enable" : "disable"}`)],
      ["secret", t("New secret", "轮换密钥"), () => act("POST", `/${app.app_id}/rotate`), t("Give {} a new secret? The present one is good until the next.", "确定为 {} 生成新密钥吗？现有密钥在下一次轮换前仍然有效。", app.app_id)],
      ["delete", t("Delete", "删除"), () => act("DELETE", `/${app.app_id}`), t("Delete {}?", "确定删除 {} 吗？", app.app_id)],
    ])],
  fields: () => [field(t("App id", "应用 id"), "app_id", { required: true }), field(t("May call (such as wechat.* maps)", "可以调用（如 wechat.* maps）"), "allow", { required: true }),
    field(t("Rate (such as 100/minute)", "限额（如 100/minute）"), "rate")],
  create: ({ app_id, allow, rate }, act) => act("POST", "", { app_id, allow: listOf(allow), rate: rate || null }),
};

const CONNECTIONS = {
  headings: [t("Service", "服务"), t("State", "状态"), t("Connected", "连接时间"), t("Scopes", "授权范围"), t("Renewed", "续期时间"), t("Ends", "到期时间"), t("Last error", "最近的错误"), t("Do", "操作")],
  none: t("No service of the catalog has auth type oauth2 with grant authorization_code or refresh_token.", "服务目录中没有 auth 类型为 oauth2、grant 为 authorization_code 或 refresh_token 的服务。"),
  cells: (each, act) => {
    const { service } = each;
    if (each.state === "connected" && begun.delete(service)) say(t("{} is connected", "{} 已连接", service));
    return [h("b", service), state(...CONNECTION[each.state]), each.connected_by && t("{} by {}", "{}，由 {} 连接", moment(each.connected_at), each.connected_by),
      each.scopes.join(" "), moment(each.last_refreshed_at), moment(each.expires_at), each.last_error && english(each.last_error), buttons(service, [
        each.grant === "authorization_code" && ["connect", each.state === "connected" ? t("Connect anew", "重新连接") : t("Connect", "连接"), ({ target }) => connect(service, target, act)],
        each.state !== "not_connected" && ["end", t("Disconnect", "断开"), () => act("DELETE", `/${encodeURIComponent(service)}`, null, t("{} is disconnected", "{} 已断开", service)),
          t("Disconnect {}? Its calls are refused until it is connected again.", "确定断开 {} 吗？重新连接之前，对它的调用都会被拒绝。", service)],
      ])];
  },
};

const AUDIT = {
  fields: [field(t("Actor", "操作者"), "actor"), field(t("Action", "操作"), "action"), field(t("Object", "对象"), "object")],
  sent: (query) => `${query}&sort=-id`,
  found: (acts) => table([t("When", "时间"), t("Who", "操作者"), t("Did", "操作"), t("To", "对象"), t("Changed", "变更"), t("From", "来源地址")], acts.map((each) => [
    moment(each.created_at), each.actor, each.action, each.object + (each.name ? ` (${each.name})` : ""),
    Object.entries(each.changed).map(([name, value]) => (value === null ? name : `${name}=${value}`)).join(" "), each.address])),
};

export async function draw(place, page) {
  if (page.name === "audit") return drawFiltered(place, page, AUDIT);
  await drawManaged(place, page, { users: USERS, apps: APPS, connections: CONNECTIONS }[page.name]);
  return page.name === "connections"; // which changes in another tab
}

/** A role that is refused is not shown on. */
function role(user, act) {
  return select(`role-${user.id}`, ROLES, user.role, { "aria-label": t("Role of {}", "{} 的角色", user.username), onchange: async ({ target }) => {
    if (!await act("PATCH", `/${user.id}`, { role: target.value }, t("{} is {}; all logins have ended", "{} 的角色已改为 {}，其所有登录已失效", user.username, target.value))) target.value = user.role;
  } });
}

/** The link to the vendor's page takes the button's place until the row changes. */
async function connect(service, place, act) {
  const begin = await act("POST", `/${encodeURIComponent(service)}/authorize`, null, "");
  if (!begin) return;
  begun.add(service);
  const opener = h("a", { id: place.id, href: begin.authorization_url, target: "_blank", rel: "noopener noreferrer" }, t("Open the page of {}", "打开 {} 的授权页面", service));
  place.replaceWith(opener);
  opener.focus();
}

function activity({ disabled }) {
  return disabled ? state(t("disabled", "已停用"), "bad") : state(t("active", "启用中"), "good");
}

function toggle({ disabled }) {
  return disabled ? t("Enable", "启用") : t("Disable", "停用");
}

/** Each: [id, words, what it does, the question before it]. */
function buttons(name, each) {
  return h("span", { class: "states" }, each.filter(Boolean).map(([id, words, f, question]) => (
    button(words, (event) => (!question || confirm(question)) && f(event), { id: `${id}-${name}`, "aria-label": `${words} ${name}` }))));
}

function change(id, label, value, f) {
  return h("input", { id, "aria-label": label, value, placeholder: t("default", "默认"), onchange: ({ target }) => {
    target.defaultValue = target.value; // no longer only typed
    f(target.value.trim());
  } });
}

function listOf(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

function secret() {
  return Array.from(crypto.getRandomValues(new Uint8Array(18)), (each) => each.toString(36)).join("");
}
