// Try a method: its form, the same call as lines to paste, and what came of it.

import { get, send, userId } from "./api.js";
import { course } from "./course.js";
import { away, clock, docs, english, fill, h, labelled, link, ms, quiet, say, searchBox, select } from "./dom.js";
import { formOf } from "./form.js";
import { content, LANGUAGES } from "./lines.js";
import { t } from "./texts.js";

const TOLD = ["X-Attempts", "X-Cache", "X-Fallback", "Idempotency-Replayed", "Server-Timing", "Retry-After", "RateLimit-Remaining"];
const MAX_HISTORY = 20;
const MAX_FOUND = 30; // methods
const MAX_COLOURED = 200_000; // characters
const TRIES = 10; // a second apart: a call's record is written beside it
const TOKEN = /"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;

const past = h("ol", { class: "names", id: "history" }); // what was sent in this tab, the newest first
let sections = {}; // by method, with all that was typed, chosen and answered there
let owner = null;

export async function draw(main, [service, method]) {
  const known = await get("/api/v1/services");
  const items = known.items.filter((each) => each.methods.length); // one may only pass requests on
  if (!items.length) return fill(main, h("h1", {}, t("Try a method")), h("p", {}, t("There is no method that you may call.")));
  if (owner !== userId()) {
    owner = userId();
    sections = {};
    fill(past);
  }
  const chosen = items.find((each) => each.name === service) || items[0];
  const one = chosen.methods.find((each) => each.name === method) || chosen.methods[0];
  return fill(main,
    h("h1", {}, t("Try a method")), finder(items),
    h("div", { class: "choice" },
      chooser(t("Service"), "service", items, chosen, (name) => go(name)), chooser(t("Method"), "method", chosen.methods, one, (name) => go(chosen.name, name))),
    h("p", {}, one.summary),
    sectionOf(chosen.name, one).element,
    h("h2", {}, t("What you sent in this tab")), past);
}

function go(...names) {
  location.hash = `#/try/${names.map(encodeURIComponent).join("/")}`;
}

function chooser(label, id, items, chosen, choose) {
  return labelled(label, select(`choose-${id}`, items.map(({ name }) => [name, name]), chosen.name, { onchange: (event) => choose(event.target.value) }));
}

function finder(services) {
  const methods = services.flatMap((service) => service.methods.map(({ name, summary }) => [service.name, name, summary]));
  const list = h("ul", { class: "names" });
  const seek = (text) => methods.filter(([service, name, summary]) => text && `${service}.${name} ${summary}`.toLowerCase().includes(text.toLowerCase()));
  return [searchBox(t("Search"), "", (text) => fill(list, seek(text).slice(0, MAX_FOUND).map(([service, name, summary]) => (
    h("li", {}, link(["try", service, name], `${service}.${name}`), ` ${summary}`))))), list];
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
  const path = `/api/v1/call/${encodeURIComponent(service)}/${encodeURIComponent(method.name)}`;
  const line = h("pre", { tabindex: 0 });
  const needs = quiet();
  const language = select("language", Object.keys(LANGUAGES).map((each) => [each, each]), "curl", { onchange: () => show() });
  const as = select("as", [["", t("my login")], ["app", t("an app")]], "", { onchange: () => show() });
  const answer = h("section", { id: "answer", "aria-label": t("Answer") });
  const params = formOf(method.params, method.upload);
  const file = h("input", { id: "upload", type: "file", required: true });
  const field = h("input", { id: "upload-field", value: "file", required: true });
  const headers = headerFields(method);
  const button = h("button", { class: "main" }, t("Send"));
  const cancel = h("button", { type: "button", id: "cancel", hidden: true }, t("Cancel"));
  const isForm = method.upload === "multipart";
  const isStreamed = isForm || method.upload === "raw";
  let last = {}; // the parameters when they could be read
  const form = h("form", { oninput: () => show(), onsubmit: (event) => { event.preventDefault(); submit(); } }, params.element,
    isForm ? labelled(t("Field of the form"), field) : null, isStreamed ? labelled(t("File"), file) : null,
    h("details", {}, h("summary", {}, t("Headers")), headers.map((each) => labelled(each.name, each))),
    h("p", { class: "states" }, button, cancel));

  function call() {
    const raw = isStreamed && file.files[0] ? { file: file.files[0], field: isForm && field.value } : null;
    const said = Object.fromEntries(headers.filter((each) => each.value).map((each) => [each.name, each.value]));
    return content({ path, params: last, headers: said, files: method.upload === "form" ? params.files : {}, raw });
  }
  function show() {
    try {
      last = params.get();
      line.textContent = LANGUAGES[language.value](call(), as.value);
    } catch { // the JSON is being written
      line.textContent = "";
    }
    line.setAttribute("aria-label", language.value);
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
      return params.complain([error.message]);
    }
    if (button.disabled || !form.reportValidity()) return undefined; // it is sent once
    const given = last;
    const ends = new AbortController();
    cancel.onclick = () => ends.abort();
    button.disabled = true;
    cancel.hidden = false;
    say(t("Sending"));
    let said = "";
    let outcome;
    const live = h("pre", { tabindex: 0, "aria-label": t("Answer so far") });
    try {
      const told = await send(call(), ends.signal, (piece) => {
        if (!said) fill(answer, h("h2", {}, t("Answer so far")), live);
        said += piece;
        live.append(piece);
      });
      params.complain(told.answer.error?.fields ?? {});
      fill(answer, shown(told, (next) => { set(next); submit(); }));
      outcome = succeeded(told) ? `HTTP ${told.status}` : told.answer.error?.type ?? `HTTP ${told.status}`;
      say(succeeded(told) ? t("It succeeded") : t("It failed: {}", told.answer.message));
    } catch (error) {
      outcome = error.name === "AbortError" ? t("Cancelled.") : t("Postern does not answer: {}", error.message);
      answer.prepend(h("p", { class: "alarm", role: "alert" }, outcome));
      if (!said) answer.replaceChildren(answer.firstChild);
    }
    button.disabled = false;
    cancel.hidden = true;
    answer.classList.remove("stale");
    past.prepend(h("li", {}, h("button", { type: "button", class: "plain", onclick: () => again(given) }, `${clock(Date.now())} ${name}`), ` ${outcome}`));
    return past.children[MAX_HISTORY]?.remove();
  }
  function again(given) {
    sections[name].set(given);
    go(service, method.name);
  }
  show();
  const element = h("div", { class: "sides" }, form, h("div", {},
    h("h2", {}, t("The same as")),
    h("div", { class: "row" }, labelled(t("Language"), language), labelled(t("As"), as), copier(() => line.textContent)), line, needs, answer));
  return { element, set, params: () => last };
}

function headerFields({ paginates }) {
  const own = (name, rest) => h("input", { id: `header-${name}`, name, autocomplete: "off", ...rest });
  return [
    own("Idempotency-Key", { maxlength: 255 }), own("X-Request-Timeout", { type: "number", min: 0, step: "any", placeholder: t("seconds") }),
    ...(paginates ? [select("X-Paginate", [["", t("one page")], ["all", t("all")]], "")] : []),
  ];
}

/** What is streamed is in no envelope. */
function succeeded({ status, answer }) {
  return status < 400 && (typeof answer === "string" || !answer.error);
}

function shown(told, goOn) {
  const { status, headers, answer, blob, ms: took } = told;
  const id = headers.get("X-Request-ID");
  const more = TOLD.filter((name) => headers.has(name)).map((name) => `${name}: ${headers.get(name)}`);
  const isText = typeof answer === "string";
  const body = isText ? answer : JSON.stringify(answer, null, 2);
  const happened = h("div", {});
  tellCourse(happened, id);
  return [
    h("h2", {}, t("Answer")),
    h("p", { class: succeeded(told) ? "good" : "alarm" }, t("HTTP {} after {}", status, ms(took)), answer.error ? [": ", english(answer.message), " ", docs(answer.code)] : ""),
    h("p", { class: "states" }, link(["calls", id], t("What happened to this call")), copier(() => body),
      answer.next ? h("button", { type: "button", id: "next-page", onclick: () => goOn(answer.next) }, t("Next page")) : null),
    more.length ? h("pre", { tabindex: 0, "aria-label": t("Headers of the answer") }, more.join("\n")) : null,
    preview(blob || bytesOf(answer.data)),
    h("details", { open: true }, h("summary", {}, t("Body")),
      h("pre", { tabindex: 0, "aria-label": t("Answer") }, isText || body.length > MAX_COLOURED ? body : coloured(body))),
    h("details", { open: true }, h("summary", {}, t("What happened")), happened),
  ];
}

/** Of a request that was no call, as its body was no JSON, there is no record. */
async function tellCourse(place, id, tries = TRIES) {
  try {
    const { more, ...first } = await get(`/api/v1/calls/${encodeURIComponent(id)}`);
    fill(place, [first, ...more].flatMap(course));
  } catch (error) {
    if (tries > 1 && error.status === 404) setTimeout(() => tellCourse(place, id, tries - 1), 1000);
    else fill(place, away(error));
  }
}

function bytesOf(data) {
  try {
    return new Blob([Uint8Array.from(atob(data.base64), (each) => each.charCodeAt(0))], { type: data.content_type });
  } catch { // it only has that name
    return null;
  }
}

/** A picture is drawn, not loaded: the page's policy takes pictures from its own files only. */
function preview(blob) {
  if (!blob) return null;
  const place = h("p", {}, h("a", { href: URL.createObjectURL(blob), download: "answer" }, t("Save the {} bytes", blob.size)));
  if (blob.type.startsWith("image/")) {
    createImageBitmap(blob).then((picture) => {
      const canvas = h("canvas", { width: picture.width, height: picture.height, role: "img", "aria-label": t("The picture of the answer") });
      canvas.getContext("2d").drawImage(picture, 0, 0);
      place.prepend(canvas);
    }, () => {}); // not a picture that a browser knows
  }
  return place;
}

function coloured(json) {
  const pieces = [];
  let from = 0;
  for (const { 0: token, index } of json.matchAll(TOKEN)) {
    const kind = token[0] !== '"' ? "literal" : json[index + token.length] === ":" ? "key" : "text";
    pieces.push(json.slice(from, index), h("span", { class: kind }, token));
    from = index + token.length;
  }
  return [...pieces, json.slice(from)];
}

function copier(text) {
  const button = h("button", { type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = t("Copied");
    } catch { // only a page by https or of this machine may
      button.textContent = t("Select and copy by hand");
    }
    say(button.textContent);
  } }, t("Copy"));
  return button;
}
