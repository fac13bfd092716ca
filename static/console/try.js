// Try a method: its form, the same call as lines to paste, and what came of it.

import { get, send, user } from "./api.js";
import { callsOf, course } from "./calls.js";
import { address, alarm, away, button, clock, docs, english, fill, h, labelled } from "./dom.js";
import { link, ms, pre, quiet, say, searchBox, select } from "./dom.js";
import { formOf } from "./form.js";
import { content, LANGUAGES } from "./lines.js";
import { seek } from "./lists.js";
import { t } from "./texts.js";

const ANSWER_HEADERS = [
  "X-Attempts", "X-Cache", "X-Fallback", "Idempotency-Replayed", "Server-Timing", "Retry-After", "RateLimit-Remaining"];
const MAX_HISTORY = 20;
const MAX_FOUND = 30; // methods
const MAX_COLOURED = 200_000; // characters
const TOKEN = /("(?:\\.|[^"])*"|[\w.+-]+)/; // of JSON as JSON.stringify writes it
const TRIES = 10; // a second apart: a call's record is written beside it

const past = h("ol", { class: "names", id: "history" }); // what was sent in this tab, the newest first
let sections = {}; // by method, with all that was typed, chosen and answered there
let owner = null;

export async function draw(place, { rest: [service, method] }) {
  const services = await get("/services");
  const items = services.items.filter((item) => item.methods.length); // one may only pass requests on
  if (!items.length) return fill(place, h("h1", t("Try a method")), h("p", t("There is no method that you may call.")));
  if (owner !== user().sub) {
    owner = user().sub;
    sections = {};
    fill(past);
  }
  const chosen = items.find((item) => item.name === service) || items[0];
  const one = chosen.methods.find((item) => item.name === method) || chosen.methods[0];
  const list = h("ul", { class: "names" });
  const search = (text) => fill(list, text && seek(items, text).slice(0, MAX_FOUND).map(([of, { name, summary }]) => (
    h("li", link(["try", of, name], `${of}.${name}`), ` ${summary}`))));
  return fill(place,
    h("h1", t("Try a method")), searchBox(t("Search"), search), list,
    h("div", { class: "choice" },
      chooser(t("Service"), "service", items, chosen, (name) => go(name)),
      chooser(t("Method"), "method", chosen.methods, one, (name) => go(chosen.name, name))),
    h("p", one.summary),
    sectionOf(chosen.name, one).element,
    h("h2", t("What you sent in this tab")), past);
}

function go(...names) {
  location.hash = address(["try", ...names]);
}

function chooser(label, id, items, chosen, choose) {
  const onchange = ({ target }) => choose(target.value);
  return labelled(label, select(`choose-${id}`, items.map(({ name }) => name), chosen.name, { onchange }));
}

/** The one that is there, unless the catalog has changed the method since. */
function sectionOf(service, method) {
  const name = `${service}.${method.name}`;
  const key = JSON.stringify(method);
  const old = sections[name];
  if (old?.key !== key) {
    sections[name] = { key, ...section(service, method) };
    if (old) sections[name].set(old.params());
  }
  return sections[name];
}

function section(service, method) {
  const name = `${service}.${method.name}`;
  const path = `/call/${encodeURIComponent(service)}/${encodeURIComponent(method.name)}`;
  const lines = pre();
  const needs = quiet();
  const language = select("language", Object.keys(LANGUAGES), "curl", { onchange: show });
  const as = select("as", [["", t("my login")], ["app", t("an app")]], "", { onchange: show });
  const answer = h("section", { id: "answer", "aria-label": t("Answer") });
  const params = formOf(method.params, method.upload);
  const file = h("input", { id: "upload", type: "file", required: true });
  const part = h("input", { id: "upload-field", value: "file", required: true });
  const headers = headerFields(method);
  const sender = h("button", { class: "main" }, t("Send"));
  const cancel = button(t("Cancel"), () => asks.abort(), { id: "cancel", hidden: true });
  const isForm = method.upload === "multipart";
  const isStreamed = isForm || method.upload === "raw";
  let last = {}; // the parameters when they could be read
  let asks;
  const form = h("form", { oninput: show, onsubmit: (event) => { event.preventDefault(); submit(); } }, params.element,
    isForm && labelled(t("Field of the form"), part), isStreamed && labelled(t("File"), file),
    h("details", h("summary", t("Headers")), headers.map((input) => labelled(input.name, input))),
    h("p", { class: "states" }, sender, cancel));

  function call() {
    const raw = isStreamed && file.files[0] ? { file: file.files[0], field: isForm && part.value } : null;
    const values = Object.fromEntries(headers.filter((input) => input.value).map((input) => [input.name, input.value]));
    return content({ path, params: last, headers: values, files: method.upload === "form" ? params.files() : {}, raw });
  }
  function show() {
    try {
      last = params.get();
      lines.textContent = LANGUAGES[language.value](call(), as.value);
    } catch { // the JSON is being written
      lines.textContent = "";
    }
    lines.ariaLabel = language.value;
    needs.textContent = t("In the environment: {}", as.value ? "APP_ID, APP_SECRET" : "TOKEN");
    answer.classList.add("stale");
  }
  function set(given) {
    params.set(given);
    show();
  }
  async function submit() {
    try {
      await params.ready();
      last = params.get();
    } catch (error) {
      return params.complain(error.message);
    }
    if (sender.disabled || !form.reportValidity()) return undefined; // it is sent once
    const given = last;
    let outcome;
    asks = new AbortController();
    sender.disabled = true;
    cancel.hidden = false;
    say(t("Sending"));
    const live = pre(t("Answer so far"));
    const soFar = [h("h2", t("Answer so far")), live];
    try {
      const result = await send(call(), asks.signal, (piece) => {
        if (!live.parentNode) fill(answer, soFar);
        live.append(piece);
      });
      params.complain(result.answer.error?.fields ?? {});
      fill(answer, shown(result, (next) => { set(next); submit(); }));
      outcome = result.answer.error?.type ?? `HTTP ${result.status}`;
      say(succeeded(result) ? t("It succeeded") : t("It failed: {}", result.answer.message));
    } catch (error) {
      outcome = error.name === "AbortError" ? t("Cancelled.") : t("Postern does not answer: {}", error.message);
      fill(answer, alarm(outcome), live.textContent && soFar);
    }
    sender.disabled = false;
    cancel.hidden = true;
    answer.classList.remove("stale");
    const repeat = button(`${clock(Date.now())} ${name}`, () => again(given), { class: "plain" });
    past.prepend(h("li", repeat, ` ${outcome}`));
    return past.children[MAX_HISTORY]?.remove();
  }
  function again(given) {
    sections[name].set(given);
    go(service, method.name);
  }
  show();
  const element = h("div", { class: "sides" }, form, h("div",
    h("h2", t("The same as")),
    h("div", { class: "row" },
      labelled(t("Language"), language), labelled(t("As"), as), copier(() => lines.textContent)),
    lines, needs, answer));
  return { element, set, params: () => last };
}

function headerFields({ paginates }) {
  const own = (name, rest) => h("input", { id: `header-${name}`, name, autocomplete: "off", ...rest });
  return [
    own("Idempotency-Key", { maxlength: 255 }),
    own("X-Request-Timeout", { type: "number", min: 0, step: "any", placeholder: t("seconds") }),
    ...(paginates ? [select("X-Paginate", [["", t("one page")], ["all", t("all")]], "")] : []),
  ];
}

/** What is streamed is in no envelope. */
function succeeded({ status, answer }) {
  return status < 400 && (typeof answer === "string" || !answer.error);
}

function shown(result, goOn) {
  const { status, headers, answer, blob, ms: took } = result;
  const id = headers.get("X-Request-ID");
  const more = ANSWER_HEADERS.filter((name) => headers.has(name)).map((name) => `${name}: ${headers.get(name)}`);
  const body = typeof answer === "string" ? answer : JSON.stringify(answer, null, 2);
  const isPlain = body === answer || body.length > MAX_COLOURED;
  const happened = h("div");
  tellCourse(happened, id);
  return [
    h("h2", t("Answer")),
    h("p", { class: succeeded(result) ? "good" : "alarm" }, t("HTTP {} after {}", status, ms(took)),
      answer.error && [": ", english(answer.message), " ", docs(answer.code)]),
    h("p", { class: "states" }, link(["calls", id], t("What happened to this call")), copier(() => body),
      answer.next && button(t("Next page"), () => goOn(answer.next), { id: "next-page" })),
    more.length > 0 && pre(t("Headers of the answer"), more.join("\n")),
    preview(blob || bytesOf(answer.data)),
    h("details", { open: true }, h("summary", t("Body")), pre(t("Answer"), isPlain ? body : coloured(body))),
    h("details", { open: true }, h("summary", t("What happened")), happened),
  ];
}

/** Of a request that was no call, as its body was no JSON, there is no record. */
async function tellCourse(place, id, tries = TRIES) {
  try {
    fill(place, (await callsOf(id)).map(course));
  } catch (error) {
    if (tries > 1 && error.status === 404) setTimeout(() => tellCourse(place, id, tries - 1), 1000);
    else fill(place, away(error));
  }
}

function bytesOf(data) {
  try {
    const bytes = Uint8Array.from(atob(data.base64), (character) => character.charCodeAt(0));
    return new Blob([bytes], { type: data.content_type });
  } catch { // it only has that name
    return null;
  }
}

/** A picture is drawn, not loaded: the page's policy takes pictures from its own files only. */
function preview(blob) {
  if (!blob) return null;
  const href = URL.createObjectURL(blob);
  const place = h("p", h("a", { href, download: "answer" }, t("Save the {} byte(s)", blob.size)));
  if (blob.type.startsWith("image/")) {
    createImageBitmap(blob).then((picture) => {
      const { width, height } = picture;
      const canvas = h("canvas", { width, height, role: "img", "aria-label": t("The picture of the answer") });
      canvas.getContext("2d").drawImage(picture, 0, 0);
      place.prepend(canvas);
    }, () => {}); // not a picture that a browser knows
  }
  return place;
}

function coloured(json) {
  return json.split(TOKEN).map((piece, at, pieces) => (
    at % 2 ? h("span", { class: kindOf(piece, pieces[at + 1]) }, piece) : piece));
}

function kindOf(token, next) {
  if (token[0] !== '"') return "literal";
  return next[0] === ":" ? "key" : "text";
}

function copier(text) {
  const copy = button(t("Copy"), async () => {
    try {
      await navigator.clipboard.writeText(text());
      copy.textContent = t("Copied");
    } catch { // only a page by https or of this machine may
      copy.textContent = t("Select and copy by hand");
    }
    say(copy.textContent);
  });
  return copy;
}
