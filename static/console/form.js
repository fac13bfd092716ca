// A form from a method's parameters, which are described in OpenAPI's words.
// Each part is {element, get}: get gives its value, or undefined.

import { button, fill, h, quiet, text } from "./dom.js";
import { t } from "./texts.js";

const PRESET = Symbol("what a form begins with");

/** The whole form of a method's parameters. get throws SyntaxError while its JSON is none. */
export function formOf(params, upload) {
  const context = { upload, files: {}, reading: null };
  const json = h("textarea", { id: "as-json", "aria-label": t("Parameters as JSON"), rows: 12, spellcheck: "false" });
  const place = h("div");
  const toggle = button(t("As JSON"), turn, { id: "toggle-json" });
  const content = Object.keys(params).length ? [place, h("p", toggle)] : quiet(t("It takes no parameters."));
  const element = h("div", content, problemPlace(""));
  let whole;
  let isJson = false;
  function set(given) {
    context.files = {};
    whole = objectPart("", { properties: params, needed: true }, context, given);
    fill(place, isJson ? json : whole.element);
    json.value = JSON.stringify(given === PRESET ? whole.get() : given, null, 2);
  }
  function get() {
    if (!isJson) return whole.get();
    const value = JSON.parse(json.value);
    if (!isObject(value)) throw new SyntaxError(t("The parameters are a JSON object."));
    return value;
  }
  function turn() {
    try {
      const value = get();
      isJson = !isJson;
      set(value);
      complain({});
    } catch (error) {
      return complain(error.message);
    }
    toggle.textContent = isJson ? t("As a form") : t("As JSON");
    return changed(place);
  }
  /** Show an answer's problems beside the fields, those that have none under all. */
  function complain(problems) {
    const find = (id) => element.querySelector(`#${CSS.escape(id)}`);
    for (const place of element.querySelectorAll(".alarm")) fill(place);
    for (const input of element.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
    for (const [path, words] of flat(problems)) {
      let at = path;
      while (!find(`param-${at}-error`)) at = at.replace(/\.?[^.]*$/, "");
      find(`param-${at}-error`).append(at === path ? `${words} ` : `${path}: ${words} `);
      find(`param-${at}`)?.setAttribute("aria-invalid", "true");
    }
  }
  set(PRESET);
  return {
    element, get, set, complain,
    files: () => context.files, // those that were chosen, by parameter
    ready: () => context.reading, // all files have been read
  };
}

function part(path, rules, context, given) {
  if (isFile(path, rules, context)) return filePart(path, rules, context, given);
  if (rules.type === "object" && rules.properties) return objectPart(path, rules, context, given);
  const isList = rules.type === "array" && rules.items && !rules.items.oneOf && !rules.items.anyOf;
  return isList ? listPart(path, rules, context, given) : scalarPart(path, rules, given);
}

function isFile(path, rules, { upload }) {
  if (rules.type === "string") return ["binary", "byte"].includes(rules.format);
  return upload === "form" && rules.type === "object" && !rules.properties && !path.includes(".");
}

/** Properties that the schema does not know are kept as they are given. */
function objectPart(path, rules, context, given) {
  const parts = Object.entries(rules.properties).map(([name, property]) => {
    const needed = property.required === true || (Array.isArray(rules.required) && rules.required.includes(name));
    const value = given === PRESET ? PRESET : given?.[name];
    return [name, part(path ? `${path}.${name}` : name, { ...property, needed }, context, value)];
  });
  const unknown = Object.entries(isObject(given) ? given : {})
    .filter(([name]) => !Object.hasOwn(rules.properties, name));
  const fields = parts.map(([, item]) => item.element);
  return {
    element: path ? group(path, rules, fields) : h("div", fields),
    get() {
      const values = [...parts.map(([name, item]) => [name, item.get()]), ...unknown]
        .filter(([, value]) => value !== undefined);
      return values.length || rules.needed ? Object.fromEntries(values) : undefined;
    },
  };
}

function listPart(path, rules, context, given) {
  let parts = [];
  const list = h("div");
  const name = nameOf(path);
  const adder = button(t("Add to {}", name), () => {
    add(PRESET);
    changed(list);
    list.lastChild.querySelector("input, select, textarea, button").focus();
  }, { id: `add-${path}` });
  function add(value) {
    const item = part(`${path}.${parts.length}`, { ...rules.items, needed: true }, context, value);
    parts.push(item);
    const label = t("Remove item {} of {}", parts.length, name);
    const remover = button(t("Remove"), () => remove(item), { "aria-label": label });
    list.append(h("div", { class: "item" }, item.element, remover));
  }
  function remove(gone) {
    const values = parts.filter((item) => item !== gone).map((item) => item.get());
    parts = [];
    fill(list);
    values.forEach(add); // drawn anew: ids tell the place
    changed(list);
    adder.focus();
  }
  const values = valueIn(rules, given);
  if (Array.isArray(values)) values.forEach((value) => add(value));
  return {
    element: group(path, rules, list, adder),
    get: () => (parts.length || rules.needed ? parts.map((item) => item.get() ?? null) : undefined),
  };
}

/** A file is its base64, with its name and type where the service wants them. What is given is from JSON, or as it was
 * sent before. */
function filePart(path, rules, context, given) {
  let value = given === PRESET ? undefined : given;
  const { files } = context;
  const input = h("input", {
    ...attributes(path, rules), type: "file", required: rules.needed && value === undefined,
    onchange: () => { context.reading = Promise.all([context.reading, read()]); },
  });
  async function read() {
    const [file] = input.files;
    files[path] = file;
    const base64 = file && await base64Of(file);
    value = base64;
    if (files[path] !== file) return; // another was chosen meanwhile
    if (!file) delete files[path];
    else if (rules.type !== "string") {
      value = { filename: file.name, content_type: file.type || "application/octet-stream", base64 };
    }
    changed(input);
  }
  return { element: line(path, { ...rules, type: "file" }, input), get: () => value };
}

function base64Of(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

function scalarPart(path, rules, given) {
  const value = valueIn(rules, given);
  const element = control(path, rules, value === undefined ? "" : text(value));
  return {
    element: line(path, rules, element),
    get() {
      element.setCustomValidity("");
      if (element.value === "" && !(rules.needed && rules.type === "string")) return undefined;
      try {
        return valueOf(element.value, rules);
      } catch {
        element.setCustomValidity(t("This is not JSON."));
        return undefined;
      }
    },
  };
}

function valueIn(rules, given) {
  if (given !== PRESET) return given;
  return rules.default ?? (rules.needed ? rules.example : undefined);
}

function control(path, rules, value) {
  const shared = attributes(path, rules);
  const choices = rules.enum || (rules.type === "boolean" && [true, false]);
  if (choices) {
    const options = rules.needed && value ? choices.map(text) : ["", ...choices.map(text)];
    return h("select", shared, options.map((choice) => (
      h("option", { value: choice, selected: choice === value }, choice || t("(not given)")))));
  }
  const isLine = rules.type === "string" && !rules.format; // or several: an input would take their ends away
  if (isLine || rules.type === "object" || rules.type === "array") {
    const placeholder = { array: "[…]", object: "{…}" }[rules.type];
    return h("textarea", {
      ...shared, rows: isLine ? 1 : 4, spellcheck: "false", placeholder,
      minlength: rules.minLength, maxlength: rules.maxLength,
    }, value);
  }
  const number = rules.type === "integer" || rules.type === "number";
  return h("input", {
    ...shared, value, autocomplete: "off", type: number ? "number" : "text",
    min: rules.minimum, max: rules.maximum, step: rules.type === "integer" ? 1 : "any",
  });
}

function attributes(path, rules) {
  const id = `param-${path}`;
  return { id, name: path, required: rules.needed, "aria-describedby": `${id}-hint ${id}-error` };
}

function valueOf(words, { type }) {
  if (type === "string") return words;
  try {
    return JSON.parse(words);
  } catch (error) {
    if (type) throw error;
    return words; // of several shapes the text may be one
  }
}

function line(path, rules, control) {
  return h("div", { class: "field" },
    h("label", { for: control.id }, title(path, rules)), control, hint(path, rules), problemPlace(path));
}

function group(path, rules, ...children) {
  return h("fieldset", { "aria-describedby": `param-${path}-error` },
    h("legend", title(path, rules)), hint(path, rules), children, problemPlace(path));
}

function nameOf(path) {
  return path.split(".").at(-1);
}

function title(path, rules) {
  const name = nameOf(path);
  const words = /^\d+$/.test(name) ? t("item {}", Number(name) + 1) : name;
  return [words, rules.needed && h("span", { class: "quiet" }, t(" (required)"))];
}

function hint(path, rules) {
  const hints = [
    rules.description, kinds(rules),
    "minimum" in rules && t("at least {}", rules.minimum), "maximum" in rules && t("at most {}", rules.maximum),
    rules.pattern && t("like {}", rules.pattern), rules.format,
    "example" in rules && t("such as {}", text(rules.example))];
  return h("p", { class: "quiet", id: `param-${path}-hint` }, hints.filter(Boolean).join(" · "));
}

function kinds(rules) {
  return rules.type || (rules.oneOf || rules.anyOf || []).map(kinds).join(" | ");
}

function problemPlace(path) {
  return h("p", { class: "alarm", id: `param-${path}-error`, lang: "en" });
}

/** {"a": {"b": ["Wrong."]}} as [["a.b", "Wrong."]]. */
function flat(problems, path = "") {
  if (Array.isArray(problems)) return problems.flatMap((problem) => flat(problem, path));
  if (!isObject(problems)) return [[path, problems]];
  return Object.entries(problems).flatMap(([name, inner]) => flat(inner, path ? `${path}.${name}` : name));
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function changed(element) {
  element.dispatchEvent(new Event("input", { bubbles: true }));
}
