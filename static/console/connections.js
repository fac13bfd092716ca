// The accounts that services are connected to, for admins.

import { ask, get, Refused } from "./api.js";
import { away, english, fill, h, moment, quiet, refill, say, table } from "./dom.js";
import { t } from "./texts.js";

const STATES = { connected: [t("connected"), "good"], not_connected: [t("not connected"), "unsure"], reconnect: [t("connect again"), "bad"] };

let pages = {}; // service -> the vendor's page that waits to be opened
let newest = 0; // an older answer is not drawn over a newer one

/** Draws when something has changed: buttons keep their focus. */
export async function draw(main) {
  const number = ++newest;
  const { items } = await get("/api/v1/connections");
  if (number !== newest) return true;
  for (const { service, state, connected_at } of items) {
    if (pages[service] && state === "connected" && connected_at !== pages[service].before) {
      delete pages[service];
      say(t("{} is connected", service));
    }
  }
  if (!main.querySelector("h1")) {
    fill(main, h("h1", {}, t("Connections")),
      quiet(t("Accounts that services use by OAuth. Their tokens are kept here, sealed, and renewed.")),
      h("p", { class: "alarm", role: "alert", id: "refused" }), h("div", { id: "accounts" }));
  }
  refill(main.querySelector("#accounts"), [items, pages], () => [items.length ? table([t("Service"), t("State"), t("Connected"), t("Scopes"), t("Renewed"), t("Ends"), t("Last error"), t("Do")], items.map((each) => row(main, each)))
    : h("p", {}, t("No service of the catalog has auth type oauth2 with grant authorization_code or refresh_token."))]);
  return true;
}

function row(main, each) {
  const [words, kind] = STATES[each.state];
  return [
    h("b", {}, each.service), h("span", { class: `state ${kind}` }, words),
    each.connected_by ? t("{} by {}", moment(each.connected_at), each.connected_by) : "–",
    each.scopes.join(" ") || "–", moment(each.last_refreshed_at), moment(each.expires_at), each.last_error ? english(each.last_error) : "–",
    h("span", { class: "states" }, actions(main, each)),
  ];
}

function actions(main, { service, grant, state, connected_at }) {
  const page = pages[service];
  const connects = grant === "authorization_code";
  return [
    page ? h("a", { id: `open-${service}`, href: page.url, target: "_blank", rel: "noopener noreferrer" }, t("Open the page of {}", service)) : null,
    connects && !page ? h("button", { type: "button", id: `connect-${service}`, "aria-label": t("Connect {}", service), onclick: () => connect(main, service, connected_at) }, state === "connected" ? t("Connect anew") : t("Connect")) : null,
    state === "not_connected" ? null
      : h("button", { type: "button", id: `end-${service}`, "aria-label": t("Disconnect {}", service), onclick: () => disconnect(main, service) }, t("Disconnect")),
  ];
}

async function connect(main, service, before) {
  await tried(main, async () => {
    const { authorization_url: url } = await did("POST", `/api/v1/connections/${encodeURIComponent(service)}/authorize`);
    pages[service] = { url, before };
  });
  document.getElementById(`open-${service}`)?.focus();
}

async function disconnect(main, service) {
  if (!confirm(t("Disconnect {}? Its calls are refused until it is connected again.", service))) return;
  await tried(main, async () => {
    await did("DELETE", `/api/v1/connections/${encodeURIComponent(service)}`);
    delete pages[service];
    say(t("{} is disconnected", service));
  });
}

async function did(verb, path) {
  const { status, answer } = await ask(verb, path);
  if (answer.code !== 0) throw new Refused(status, answer);
  return answer.data;
}

/** Do it, and draw what has become of it, or say why not. */
async function tried(main, act) {
  const refused = main.querySelector("#refused");
  try {
    refused.textContent = "";
    await act();
    await draw(main);
  } catch (error) {
    fill(refused, away(error));
  }
}
