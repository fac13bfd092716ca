// A form from a method's parameters, which are described in OpenAPI's words.
// Each part is {element, get, set, complain}: get gives its value or undefined, set fills it in, complain shows an answer's problems
// beside the field and tells whether it could.

import { h, quiet } from "./dom.js";
import { t } from "./texts.js";

const FILES = ["binary", "byte"];

/** The whole form of a method's parameters. get throws SyntaxError while its JSON is none. */
export function formOf(params, upload) {
  const files = {}; // those that were chosen, by parameter
  const context = { files, upload, reading: null };
  const whole = objectPart("", { properties: params }, context);
  const json = h("textarea", { id: "as-json", "aria-label": t("Parameters as JSON"), rows: 12, spellcheck: "false" });
  const wrong = h("p", { class: "alarm", hidden: true });
  const toggle = h("button", { type: "button", id: "toggle-json", onclick: turn }, t("As JSON"));
  const place = h("div", {}, whole.element);
  let isJson = false;
  function turn() {
    if (isJson) {
      try {
        whole.set(parsed());
      } catch (error) {
        return tell(error.message);
      }
    } else json.value = JSON.stringify(whole.get() ?? {}, null, 2);
    isJson = !isJson;
    tell("");
    toggle.textContent = isJson ? t("As a form") : t("As JSON");
    place.replaceChildren(isJson ? json : whole.element);
    return place.dispatchEvent(new Event("input", { bubbles: true }));
  }
  function parsed() {
    const value = JSON.parse(json.value);
    if (!isObject(value)) throw new SyntaxError(t("The parameters are a JSON object."));
    return value;
  }
  function tell(words) {
    wrong.textContent = words;
    wrong.hidden = !words;
  }
  return {
    element: h("div", {}, Object.keys(params).length ? [place, h("p", {}, toggle)] : quiet(t("It takes no parameters.")), wrong),
    files,
    ready: () => context.reading, // all files have been read
    get: () => (isJson ? parsed() : whole.get() ?? {}),
    set: (value) => { whole.set(value); json.value = JSON.stringify(value, null, 2); },
    complain(problems) {
      const rest = isJson ? problems : whole.complain(problems) || null;
      tell(rest && Object.keys(rest).length ? words(rest) : "");
    },
  };
}

function part(path, rules, context) {
  if (isFile(path, rules, context)) return filePart(path, rules, context);
  if (rules.type === "object" && rules.properties) return objectPart(path, rules, context);
  if (rules.type === "array" && rules.items && !rules.items.oneOf && !rules.items.anyOf) return listPart(path, rules, context);
  return scalarPart(path, rules);
}

function isFile(path, rules, { upload }) {
  if (rules.type === "string") return FILES.includes(rules.format);
  return upload === "form" && rules.type === "object" && !rules.properties && !path.includes(".");
}

/** Properties that the schema does not know are kept as they were set. */
function objectPart(path, rules, context) {
  const parts = {};
  let unknown = {};
  const own = problemPlace(path);
  for (const [name, each] of Object.entries(rules.properties)) {
    const needed = each.required === true || (Array.isArray(rules.required) && rules.required.includes(name));
    parts[name] = part(path ? `${path}.${name}` : name, { ...each, needed }, context);
  }
  const fields = Object.values(parts).map((each) => each.element);
  return {
    element: path ? h("fieldset", { "aria-describedby": own.id }, h("legend", {}, title(path, rules)), hint(path, rules), fields, own) : h("div", {}, fields),
    get() {
      const given = Object.entries(parts).map(([name, each]) => [name, each.get()]).filter(([, value]) => value !== undefined);
      const value = { ...Object.fromEntries(given), ...unknown };
      return Object.keys(value).length || rules.needed ? value : undefined;
    },
    set(value) {
      unknown = {};
      for (const name of Object.keys(value ?? {})) if (!parts[name]) unknown[name] = value[name];
      for (const [name, each] of Object.entries(parts)) each.set(value?.[name]);
    },
    complain(problems) {
      const rest = isObject(problems) ? { ...problems } : problems;
      for (const [name, each] of Object.entries(parts)) {
        each.complain(isObject(rest) ? rest[name] : undefined);
        if (isObject(rest)) delete rest[name];
      }
      if (!path) return rest;
      show(own, null, isObject(rest) && !Object.keys(rest).length ? null : rest);
      return null;
    },
  };
}

function listPart(path, rules, context) {
  let parts = [];
  const own = problemPlace(path);
  const list = h("div", {});
  const name = path.split(".").at(-1);
  const adder = h("button", { type: "button", id: `add-${path}`, onclick: () => { add(); changed(); parts.at(-1).element.querySelector("input, select, textarea, button")?.focus(); } }, t("Add to {}", name));
  function add(value) {
    const each = part(`${path}.${parts.length}`, { ...rules.items, needed: true }, context);
    if (value !== undefined) each.set(value);
    parts.push(each);
    list.append(h("div", { class: "item" }, each.element, h("button", { type: "button", "aria-label": t("Remove item {} of {}", parts.length, name), onclick: () => remove(each) }, t("Remove"))));
  }
  function remove(gone) {
    put(parts.filter((each) => each !== gone).map((each) => each.get())); // drawn anew: ids tell the place
    changed();
    adder.focus();
  }
  function put(values) {
    parts = [];
    list.replaceChildren();
    values.forEach((each) => add(each));
  }
  const changed = () => list.dispatchEvent(new Event("input", { bubbles: true }));
  put(rules.default ?? (rules.needed && Array.isArray(rules.example) ? rules.example : []));
  return {
    element: h("fieldset", {}, h("legend", {}, title(path, rules)), hint(path, rules), list, adder, own),
    get: () => (parts.length || rules.needed ? parts.map((each) => each.get() ?? null) : undefined),
    set: (value) => put(Array.isArray(value) ? value : []),
    complain(problems) {
      parts.forEach((each, at) => each.complain(isObject(problems) ? problems[at] : undefined));
      show(own, null, isObject(problems) ? null : problems);
    },
  };
}

/** A file is its base64, with its name and type where the service wants them. */
function filePart(path, rules, context) {
  const { files } = context;
  const own = problemPlace(path);
  let value;
  const input = h("input", { id: `param-${path}`, type: "file", required: rules.needed, "aria-describedby": `${path}-hint ${own.id}`, onchange: () => { context.reading = Promise.all([context.reading, read()]); } });
  async function read() {
    const [file] = input.files;
    delete files[path];
    value = undefined;
    if (file) {
      files[path] = file;
      const base64 = await base64Of(file);
      if (files[path] !== file) return; // another was chosen meanwhile
      value = rules.type === "string" ? base64 : { filename: file.name, content_type: file.type || "application/octet-stream", base64 };
    }
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  return {
    element: h("div", { class: "field" }, h("label", { for: input.id }, title(path, rules)), input, hint(path, { ...rules, type: "file" }), own),
    get: () => value,
    set(given) { // from JSON, or as it was sent before
      value = given;
      input.required = rules.needed && given === undefined;
      if (given === undefined) input.value = "";
      delete files[path];
    },
    complain: (problems) => show(own, input, problems),
  };
}

function base64Of(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

function scalarPart(path, rules) {
  const own = problemPlace(path);
  const element = control(path, rules);
  return {
    element: h("div", { class: "field" }, h("label", { for: element.id }, title(path, rules)), element, hint(path, rules), own),
    get() {
      element.setCustomValidity("");
      if (element.value === "" && !(rules.needed && rules.type === "string")) return undefined;
      try {
        return value(element.value, rules);
      } catch {
        element.setCustomValidity(t("This is not JSON."));
        return undefined;
      }
    },
    set(given) { element.value = given === undefined ? "" : text(given); },
    complain: (problems) => show(own, element, problems),
  };
}

function title(path, rules) {
  const name = path.split(".").at(-1);
  return [/^\d+$/.test(name) ? t("item {}", Number(name) + 1) : name, rules.needed ? h("span", { class: "quiet" }, t(" (required)")) : null].filter(Boolean);
}

function hint(path, rules) {
  const hints = [rules.description, kinds(rules), bounds(rules), "example" in rules ? t("such as {}", text(rules.example)) : null];
  return h("p", { class: "quiet", id: `param-${path}-hint` }, hints.filter(Boolean).join(" · "));
}

function problemPlace(path) {
  return h("p", { class: "alarm", id: `param-${path}-error`, hidden: true, lang: "en" });
}

function show(place, control, problems) {
  place.textContent = problems ? words(problems) : "";
  place.hidden = !problems;
  if (control && problems) control.setAttribute("aria-invalid", "true");
  else control?.removeAttribute("aria-invalid");
}

/** {"a": {"b": ["Wrong."]}} as "a.b: Wrong." */
function words(problems, path = "") {
  if (Array.isArray(problems)) return `${path ? `${path}: ` : ""}${problems.map((each) => (isObject(each) ? words(each) : each)).join(" ")}`;
  if (isObject(problems)) return Object.entries(problems).map(([name, each]) => words(each, path ? `${path}.${name}` : name)).join(" ");
  return `${path ? `${path}: ` : ""}${problems}`;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function kinds(rules) {
  return rules.type || (rules.oneOf || rules.anyOf || []).map(kinds).join(" | ");
}

function control(path, rules) {
  const id = `param-${path}`;
  const shared = { id, name: path, required: rules.needed, "aria-describedby": `${id}-hint ${id}-error` };
  const preset = "default" in rules ? text(rules.default) : rules.needed && "example" in rules ? text(rules.example) : "";
  const choices = rules.enum || (rules.type === "boolean" ? [true, false] : null);
  if (choices) {
    const options = choices.map(text);
    return h("select", shared, (rules.needed && preset ? options : ["", ...options]).map((each) => h("option", { value: each, selected: each === preset }, each || t("(not given)"))));
  }
  const isLine = rules.type === "string" && !rules.format; // or several: an input would take their ends away
  if (isLine || rules.type === "object" || rules.type === "array") {
    const placeholder = { array: "[…]", object: "{…}" }[rules.type];
    return h("textarea", { ...shared, rows: isLine ? 1 : 4, spellcheck: "false", placeholder, minlength: rules.minLength, maxlength: rules.maxLength }, preset);
  }
  const number = rules.type === "integer" || rules.type === "number";
  return h("input", {
    ...shared, value: preset, autocomplete: "off", type: number ? "number" : "text", min: rules.minimum, max: rules.maximum, step: rules.type === "integer" ? 1 : "any",
  });
}

function value(said, rules) {
  if (rules.type === "string") return said;
  if (rules.type) return JSON.parse(said);
  try {
    return JSON.parse(said); // of several shapes the text may be one
  } catch {
    return said;
  }
}

function bounds(rules) {
  const said = [
    rules.minimum !== undefined ? t("at least {}", rules.minimum) : null, rules.maximum !== undefined ? t("at most {}", rules.maximum) : null,
    rules.maxLength !== undefined ? t("up to {} characters", rules.maxLength) : null, rules.pattern ? t("like {}", rules.pattern) : null, rules.format,
  ];
  return said.filter(Boolean).join(", ");
}

function text(given) {
  return typeof given === "string" ? given : JSON.stringify(given);
}
