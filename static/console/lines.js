// A call as a line for a terminal, or a few of a program.

import { BASE } from "./api.js";

/** call: {path, params, headers, files, raw}; raw is a file that is the body, or {field, file} of a streamed form. */
export const LANGUAGES = { curl, Python: python, JavaScript: javascript };

function curl({ path, params, headers, files, raw }) {
  const lines = [`curl -s ${quoted(address(path, raw ? params : null))}`, '-H "Authorization: Bearer $TOKEN"', ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`)];
  if (raw?.field) lines.push(`-F ${quoted(`${raw.field}=@${raw.file.name}`)}`);
  else if (raw) lines.push(`-H ${quoted(`Content-Type: ${typeOf(raw.file)}`)}`, `--data-binary ${quoted(`@${raw.file.name}`)}`);
  else if (Object.keys(files).length) lines.push(...Object.entries(params).map(([name, value]) => (files[name] ? `-F ${quoted(`${name}=@${files[name].name}`)}` : `--form-string ${quoted(`${name}=${plain(value)}`)}`)));
  else lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(params))}`);
  return lines.join(" \\\n  ");
}

function python({ path, params, headers, files, raw }) {
  const type = raw && !raw.field ? { "Content-Type": typeOf(raw.file) } : {};
  const said = pairs({ ...headers, ...type }, quote);
  const open = (file) => `open(${quote(file.name)}, "rb")`;
  const rest = [`headers={"Authorization": f"Bearer {token}"${said ? `, ${said}` : ""}}`];
  if (raw?.field) rest.push(`files={${pairs({ [raw.field]: raw.file }, open)}}`);
  else if (raw) rest.push(`data=${open(raw.file)}`);
  else if (Object.keys(files).length) {
    const texts = Object.fromEntries(Object.entries(params).filter(([name]) => !files[name]));
    rest.push(`data={${pairs(texts, (each) => quote(plain(each)))}}`, `files={${pairs(files, open)}}`);
  } else rest.push(`json=${literal(params)}`);
  return `requests.post(\n    ${quote(address(path, raw ? params : null))},\n    ${rest.join(",\n    ")},\n)`;
}

function pairs(given, f) {
  return Object.entries(given).map(([name, value]) => `${quote(name)}: ${f(value)}`).join(", ");
}

function javascript({ path, params, headers, files, raw }) {
  const said = { ...headers };
  let [before, body] = ["", "form"];
  if (raw && !raw.field) body = "file";
  else if (raw) before = `const form = new FormData();\nform.append(${quote(raw.field)}, file);\n`;
  else if (Object.keys(files).length) {
    before = `const form = new FormData();\n${Object.entries(params).map(([name, value]) => `form.append(${quote(name)}, ${files[name] ? "file" : quote(plain(value))});\n`).join("")}`;
  } else {
    said["Content-Type"] = "application/json";
    body = `JSON.stringify(${JSON.stringify(params)})`;
  }
  const own = pairs(said, quote);
  return `${before}const response = await fetch(${quote(address(path, raw ? params : null))}, {\n  method: "POST",\n  headers: { Authorization: \`Bearer \${token}\`${own ? `, ${own}` : ""} },\n  body: ${body},\n});`;
}

/** Where a file is the body, the parameters stand in the address. */
export function address(path, params) {
  const query = new URLSearchParams(Object.entries(params || {}).map(([name, value]) => [name, plain(value)]));
  return `${location.origin}${BASE}${path}${query.size ? `?${query}` : ""}`;
}

export function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function typeOf(file) {
  return file.type || "application/octet-stream";
}

const quote = JSON.stringify; // its texts are Python's and JavaScript's, too

function quoted(text) {
  return /^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object") return `{${pairs(value, literal)}}`;
  return JSON.stringify(value);
}
