// Try a method: its form, the same call as a line, and what came of it.

import { get, send } from "./api.js";
import { fill, h, labelled, link, ms, say, select } from "./dom.js";
import { formOf } from "./form.js";
import { address, LANGUAGES, plain } from "./lines.js";

const TOLD = ["X-Attempts", "X-Cache", "X-Fallback", "Idempotency-Replayed", "Server-Timing", "Retry-After", "RateLimit-Remaining"];
const MAX_HISTORY = 20;
const TOKEN = /"(?:[^"\\]|\\.)*"(?=\s*:)|"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b|-?\d[\d.eE+-]*/g;

const kept = {}; // of each method what was sent last, and the section with its answer
const history = []; // the newest first: {service, method, params, outcome}

export async function draw(main, service, method) {
  const known = await get("/api/v1/services");
  const items = known.items.filter((each) => each.methods.length); // one may only pass requests on
  if (!items.length) return fill(main, h("h1", {}, "Try a method"), h("p", {}, "There is no method that you may call."));
  const chosen = items.find((each) => each.name === service) || items[0];
  const one = chosen.methods.find((each) => each.name === method) || chosen.methods[0];
  return fill(main,
    h("h1", {}, "Try a method"),
    h("div", { class: "choice" },
      chooser("Service", items.map((each) => each.name), chosen.name, (name) => go(name)),
      chooser("Method", chosen.methods.map((each) => each.name), one.name, (name) => go(chosen.name, name))),
    one.summary ? h("p", {}, one.summary) : null,
    parts(chosen.name, one));
}

function go(...names) {
  location.hash = `#/try/${names.map(encodeURIComponent).join("/")}`;
}

function chooser(label, names, chosen, choose) {
  return labelled(label, select(`choose-${label}`, names.map((name) => [name, name]), chosen, { onchange: (event) => choose(event.target.value) }));
}

function parts(service, method) {
  const name = `${service}.${method.name}`;
  const before = kept[name] || {};
  const path = `/api/v1/call/${encodeURIComponent(service)}/${encodeURIComponent(method.name)}`;
  const line = h("pre", { tabindex: 0, "aria-label": "curl" });
  const language = select("language", Object.keys(LANGUAGES).map((each) => [each, each]), "curl", { onchange: () => show() });
  const answer = before.answer || h("section", { id: "answer", "aria-label": "Answer" });
  const past = h("ol", { class: "names", id: "history" });
  const params = formOf(method.params, method.upload);
  const file = h("input", { id: "upload", type: "file", required: true });
  const field = h("input", { id: "upload-field", value: "file", required: true });
  const headers = headerFields(method);
  const button = h("button", { class: "main" }, "Send");
  const cancel = h("button", { type: "button", id: "cancel", hidden: true }, "Cancel");
  const isStreamed = ["multipart", "raw"].includes(method.upload);
  const form = h("form", { onsubmit: (event) => { event.preventDefault(); submit(); } }, params.element,
    isStreamed ? [method.upload === "multipart" ? labelled("Field of the form", field) : null, labelled("File", file)] : null,
    h("details", {}, h("summary", {}, "Headers"), headers.map((each) => labelled(each.name, each))),
    h("p", { class: "states" }, button, cancel));
  if (before.params) params.set(before.params);

  function call(given) {
    const raw = isStreamed && file.files[0] ? { file: file.files[0], field: method.upload === "multipart" ? field.value : null } : null;
    const said = Object.fromEntries(headers.filter((each) => each.value).map((each) => [each.name, each.value]));
    return { path, params: given, headers: said, files: method.upload === "form" ? params.files : {}, raw };
  }
  function show() {
    try {
      line.textContent = LANGUAGES[language.value](call(params.get()));
      line.setAttribute("aria-label", language.value);
    } catch { // the JSON is being written
      line.textContent = "";
    }
    answer.classList.add("stale");
  }
  async function submit(given = null) {
    try {
      if (given) params.set(given);
      given = params.get();
    } catch (error) {
      return params.complain([error.message]);
    }
    if (!form.reportValidity()) return undefined;
    kept[name] = { params: given, answer };
    const ends = new AbortController();
    cancel.onclick = () => ends.abort();
    button.disabled = true;
    cancel.hidden = false;
    say("Sending");
    let said = "";
    const live = h("pre", { tabindex: 0, "aria-label": "Answer so far" });
    try {
      const told = await send(...request(call(given)), ends.signal, (piece) => {
        if (!said) fill(answer, h("h2", {}, "Answer so far"), live);
        said += piece;
        live.append(piece);
      });
      params.complain(told.answer.error?.fields ?? {});
      fill(answer, shown(told, (next) => submit(next)));
      note(given, succeeded(told) ? `HTTP ${told.status}` : told.answer.error?.type ?? `HTTP ${told.status}`);
      say(succeeded(told) ? "It succeeded" : `It failed: ${told.answer.message}`);
    } catch (error) {
      const why = error.name === "AbortError" ? "Cancelled." : `Postern does not answer: ${error.message}`;
      answer.prepend(h("p", { class: "alarm", role: "alert" }, why));
      if (!said) answer.replaceChildren(answer.firstChild);
      note(given, why);
    } finally {
      button.disabled = false;
      cancel.hidden = true;
      answer.classList.remove("stale");
    }
    return undefined;
  }
  function note(given, outcome) {
    history.unshift({ name, given, outcome, at: new Date().toLocaleTimeString() });
    history.length = Math.min(history.length, MAX_HISTORY);
    tellHistory();
  }
  function tellHistory() {
    fill(past, history.map((each) => h("li", {}, h("button", { type: "button", class: "plain", onclick: () => again(each) }, `${each.at} ${each.name}`), ` ${each.outcome}`)));
  }
  function again(each) {
    kept[each.name] = { ...kept[each.name], params: each.given };
    if (each.name === name) params.set(each.given), show();
    else go(...each.name.split("."));
  }
  form.addEventListener("input", show);
  show();
  tellHistory();
  return h("div", { class: "sides" }, form, h("div", {},
    h("h2", {}, "The same as"), h("p", { class: "states" }, labelled("Language", language), copier(() => line.textContent)), line, answer,
    h("details", { open: history.length > 0 }, h("summary", {}, "What you sent in this tab"), past)));
}

/** What send takes: path, body, headers. A chosen file goes as a form's or as the body, all else as JSON. */
function request({ path, params, headers, files, raw }) {
  if (raw && !raw.field) return [address(path, params), raw.file, headers];
  if (!raw && !Object.keys(files).length) return [address(path), JSON.stringify(params), { ...headers, "Content-Type": "application/json" }];
  const form = new FormData();
  if (raw) form.append(raw.field, raw.file);
  else for (const [name, value] of Object.entries(params)) form.append(name, files[name] ?? plain(value));
  return [address(path, raw ? params : null), form, headers];
}

function headerFields({ paginates }) {
  const own = (name, rest) => h("input", { id: `header-${name}`, name, autocomplete: "off", ...rest });
  return [
    own("Idempotency-Key", { maxlength: 255 }), own("X-Request-Timeout", { type: "number", min: 0, step: "any", placeholder: "seconds" }),
    paginates ? h("select", { id: "header-X-Paginate", name: "X-Paginate" }, h("option", { value: "" }, "one page"), h("option", { value: "all" }, "all")) : null,
  ].filter(Boolean);
}

/** What is streamed is in no envelope. */
function succeeded({ status, answer }) {
  return status < 400 && (typeof answer === "string" || !answer.error);
}

function shown(told, goOn) {
  const { status, headers, answer, blob, ms: took } = told;
  const id = headers.get("X-Request-ID");
  const more = TOLD.filter((name) => headers.has(name)).map((name) => `${name}: ${headers.get(name)}`);
  const body = typeof answer === "string" ? answer : JSON.stringify(answer, null, 2);
  return [
    h("h2", {}, "Answer"),
    h("p", { class: succeeded(told) ? "good" : "alarm" }, `HTTP ${status} after ${ms(took)}`, answer.error ? `: ${answer.message}` : ""),
    h("p", { class: "states" }, link(["calls", id], "What happened to this call"), copier(() => body),
      answer.next ? h("button", { type: "button", id: "next-page", onclick: () => goOn(answer.next) }, "Next page") : null),
    more.length ? h("pre", { tabindex: 0, "aria-label": "Headers of the answer" }, more.join("\n")) : null,
    blob || answer.data?.base64 ? preview(blob || bytesOf(answer.data)) : null,
    h("details", { open: true }, h("summary", {}, "Body"), h("pre", { tabindex: 0, "aria-label": "Answer" }, typeof answer === "string" ? body : coloured(body))),
  ];
}

function bytesOf({ base64, content_type: type }) {
  return new Blob([Uint8Array.from(atob(base64), (each) => each.charCodeAt(0))], { type });
}

/** A picture is drawn, not loaded: the page's policy takes pictures from its own files only. */
function preview(blob) {
  const place = h("p", {}, h("a", { href: URL.createObjectURL(blob), download: "answer" }, `Save the ${blob.size} bytes`));
  if (blob.type.startsWith("image/")) {
    createImageBitmap(blob).then((picture) => {
      const canvas = h("canvas", { width: picture.width, height: picture.height, role: "img", "aria-label": "The picture of the answer" });
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
    const kind = token[0] !== '"' ? "literal" : /^\s*:/.test(json.slice(index + token.length, index + token.length + 2)) ? "key" : "text";
    pieces.push(json.slice(from, index), h("span", { class: kind }, token));
    from = index + token.length;
  }
  return [...pieces, json.slice(from)];
}

function copier(text) {
  const button = h("button", { type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch { // only a page by https or of this machine may
      button.textContent = "Select and copy by hand";
    }
    say(button.textContent);
  } }, "Copy");
  return button;
}
