// A form from a method's parameters, which are described in OpenAPI's words, and the call it stands for.

import { BASE } from "./api.js";
import { h } from "./dom.js";

/** One labelled field. */
export function field(name, rules) {
  const id = `param-${name}`;
  const hints = [rules.description, kinds(rules), bounds(rules), "example" in rules ? `such as ${text(rules.example)}` : null];
  return h("div", { class: "field" },
    h("label", { for: id }, name, mandatory(rules) ? h("span", { class: "quiet" }, " (required)") : null),
    control(id, name, rules),
    h("p", { class: "quiet", id: `${id}-hint` }, hints.filter(Boolean).join(" · ")),
    h("p", { class: "alarm", id: `${id}-error`, hidden: true }));
}

function kinds(rules) {
  return rules.type || (rules.oneOf || rules.anyOf || []).map(kinds).join(" or ");
}

/** An object's own `required` is a list of its properties. */
function mandatory(rules) {
  return rules.required === true;
}

function control(id, name, rules) {
  const shared = { id, name, required: mandatory(rules), "aria-describedby": `${id}-hint ${id}-error` };
  const preset = "default" in rules ? text(rules.default) : mandatory(rules) && "example" in rules ? text(rules.example) : "";
  const choices = rules.enum || (rules.type === "boolean" ? [true, false] : null);
  if (choices) {
    const options = choices.map(text);
    return h("select", shared, (mandatory(rules) && preset ? options : ["", ...options]).map((each) => h("option", { value: each, selected: each === preset }, each || "(not given)")));
  }
  if (rules.type === "object" || rules.type === "array") {
    return h("textarea", { ...shared, rows: 4, spellcheck: "false", placeholder: rules.type === "array" ? "[…]" : "{…}" }, preset);
  }
  const number = rules.type === "integer" || rules.type === "number";
  return h("input", {
    ...shared, value: preset, autocomplete: "off", type: number ? "number" : "text", min: rules.minimum, max: rules.maximum,
    step: rules.type === "integer" ? 1 : number ? "any" : null, minlength: rules.minLength, maxlength: rules.maxLength,
  });
}

/** What the form says, as the call's JSON. An empty field that is not required is not given. Throws SyntaxError. */
export function values(form, params) {
  const given = {};
  for (const [name, rules] of Object.entries(params)) {
    const element = form.elements[name];
    element.setCustomValidity?.("");
    if (element.value === "" && !(mandatory(rules) && rules.type === "string")) continue;
    try {
      given[name] = value(element.value, rules);
    } catch {
      element.setCustomValidity("This is not JSON.");
    }
  }
  return given;
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

/** The same call for a terminal; $POSTERN is where this page comes from. */
export function curl(path, params) {
  const body = JSON.stringify(params).replaceAll("'", "'\\''");
  return `curl -s ${location.origin}${BASE}${path} \\\n  -H "Authorization: Bearer $TOKEN" \\\n  -H 'Content-Type: application/json' \\\n  -d '${body}'`;
}

/** Beside each field what the answer says is wrong with it; what belongs to no field is returned. */
export function showErrors(form, fields = {}) {
  const rest = { ...fields };
  for (const element of form.querySelectorAll("[name]")) {
    const wrong = fields[element.name];
    const place = form.querySelector(`#${CSS.escape(`param-${element.name}-error`)}`);
    place.textContent = wrong ? flat(wrong) : "";
    place.hidden = !wrong;
    if (wrong) element.setAttribute("aria-invalid", "true");
    else element.removeAttribute("aria-invalid");
    delete rest[element.name];
  }
  return rest;
}

function flat(wrong) {
  return Array.isArray(wrong) ? wrong.join(" ") : JSON.stringify(wrong);
}

function bounds(rules) {
  const said = [
    rules.minimum !== undefined ? `at least ${rules.minimum}` : null, rules.maximum !== undefined ? `at most ${rules.maximum}` : null,
    rules.maxLength !== undefined ? `up to ${rules.maxLength} characters` : null, rules.pattern ? `like ${rules.pattern}` : null, rules.format,
  ];
  return said.filter(Boolean).join(", ");
}

function text(given) {
  return typeof given === "string" ? given : JSON.stringify(given);
}
