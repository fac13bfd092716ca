// Try a method: its form, the curl line beside it, and what came of it.

import { ask, get } from "./api.js";
import { fill, h, ms, say } from "./dom.js";
import { curl, field, showErrors, values } from "./form.js";

const TOLD = ["X-Attempts", "X-Cache", "X-Fallback", "Idempotency-Replayed", "Server-Timing", "Retry-After", "RateLimit-Remaining"];

export async function draw(main, service, method) {
  const known = await get("/api/v1/services");
  const items = known.items.filter((each) => each.methods.length); // one may only pass requests on
  if (!items.length) return fill(main, h("h1", {}, "Try a method"), h("p", {}, "There is no method that you may call."));
  const chosen = items.find((each) => each.name === service) || items[0];
  const one = chosen.methods.find((each) => each.name === method) || chosen.methods[0];
  fill(main,
    h("h1", {}, "Try a method"),
    h("div", { class: "choice" },
      chooser("Service", items.map((each) => each.name), chosen.name, (name) => go(name)),
      chooser("Method", chosen.methods.map((each) => each.name), one.name, (name) => go(chosen.name, name))),
    one.summary ? h("p", {}, one.summary) : null,
    ...parts(chosen.name, one));
}

function go(...names) {
  location.hash = `#/try/${names.map(encodeURIComponent).join("/")}`;
}

function chooser(label, names, chosen, choose) {
  const id = `choose-${label}`;
  return h("div", { class: "field" }, h("label", { for: id }, label),
    h("select", { id, onchange: (event) => choose(event.target.value) }, names.map((name) => h("option", { selected: name === chosen }, name))));
}

function parts(service, method) {
  const path = `/api/v1/call/${encodeURIComponent(service)}/${encodeURIComponent(method.name)}`;
  const line = h("pre", { tabindex: 0, "aria-label": "curl" });
  const answer = h("section", { id: "answer", "aria-label": "Answer" });
  const button = h("button", { class: "main" }, "Send");
  const form = h("form", { onsubmit: (event) => { event.preventDefault(); send(); } },
    Object.entries(method.params).map(([name, rules]) => field(name, rules)), button);
  const show = () => { line.textContent = curl(path, values(form, method.params)); };
  async function send() {
    const given = values(form, method.params);
    if (!form.reportValidity()) return;
    button.disabled = true;
    say("Sending");
    try {
      const told = await ask("POST", path, given);
      fill(answer, ...shown(told, showErrors(form, told.answer.error?.fields)));
      say(succeeded(told) ? "It succeeded" : `It failed: ${told.answer.message}`);
    } finally {
      button.disabled = false;
    }
  }
  form.addEventListener("input", show);
  show();
  return [h("div", { class: "sides" }, form, h("div", {}, h("h2", {}, "The same with curl"), line, answer))];
}

/** What is streamed is in no envelope. */
function succeeded({ status, answer }) {
  return status < 400 && (typeof answer === "string" || !answer.error);
}

function shown({ status, headers, answer, ms: took }, rest) {
  const good = succeeded({ status, answer });
  const id = headers.get("X-Request-ID");
  const more = TOLD.filter((name) => headers.has(name)).map((name) => `${name}: ${headers.get(name)}`);
  return [
    h("h2", {}, "Answer"),
    h("p", { class: good ? "good" : "alarm" }, `HTTP ${status} after ${ms(took)}`, answer.error ? `: ${answer.message}` : ""),
    Object.keys(rest).length ? h("p", { class: "alarm" }, JSON.stringify(rest)) : null,
    h("p", {}, h("a", { href: `#/calls/${encodeURIComponent(id)}` }, "What happened to this call")),
    h("pre", { tabindex: 0, "aria-label": "Answer" }, [...more, "", typeof answer === "string" ? answer : JSON.stringify(answer, null, 2)].join("\n").trimStart()),
  ];
}
