// A call as a line for a terminal, or a few of a program.

import { BASE } from "./api.js";

/** call: {path, params, headers, files, raw}; raw is a file that is the body, or {field, file} of a streamed form. */
export const LANGUAGES = { curl, Python: python, JavaScript: javascript };

function curl({ path, params, headers, files, raw }) {
  const lines = [`curl -s ${quoted(address(path, raw ? params : null))}`, '-H "Authorization: Bearer $TOKEN"', ...Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`)];
  if (raw?.field) lines.push(`-F ${quoted(`${raw.field}=@${raw.file.name}`)}`);
  else if (raw) lines.push(`-H ${quoted(`Content-Type: ${type(raw.file)}`)}`, `--data-binary ${quoted(`@${raw.file.name}`)}`);
  else if (Object.keys(files).length) lines.push(...Object.entries(params).map(([name, value]) => (files[name] ? `-F ${quoted(`${name}=@${files[name].name}`)}` : `--form-string ${quoted(`${name}=${plain(value)}`)}`)));
  else lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(params))}`);
  return lines.join(" \\\n  ");
}

function python({ path, params, headers, files, raw }) {
  const rest = [`headers={"Authorization": f"Bearer {token}"${Object.entries(headers).map(([name, value]) => `, ${JSON.stringify(name)}: ${JSON.stringify(value)}`).join("")}${raw && !raw.field ? `, "Content-Type": ${JSON.stringify(type(raw.file))}` : ""}}`];
  const open = (file) => `open(${JSON.stringify(file.name)}, "rb")`;
  if (raw?.field) rest.push(`files={${JSON.stringify(raw.field)}: ${open(raw.file)}}`);
  else if (raw) rest.push(`data=${open(raw.file)}`);
  else if (Object.keys(files).length) {
    const texts = Object.fromEntries(Object.entries(params).filter(([name]) => !files[name]).map(([name, value]) => [name, plain(value)]));
    rest.push(`data=${JSON.stringify(texts)}`, `files={${Object.entries(files).map(([name, file]) => `${JSON.stringify(name)}: ${open(file)}`).join(", ")}}`);
  } else rest.push(`json=${literal(params)}`);
  return `requests.post(\n    ${JSON.stringify(address(path, raw ? params : null))},\n    ${rest.join(",\n    ")},\n)`;
}

function javascript({ path, params, headers, files, raw }) {
  const said = { ...headers };
  let body = "form";
  let before = "";
  if (raw && !raw.field) body = "file";
  else if (raw) before = `const form = new FormData();\nform.append(${JSON.stringify(raw.field)}, file);\n`;
  else if (Object.keys(files).length) {
    before = `const form = new FormData();\n${Object.entries(params).map(([name, value]) => `form.append(${JSON.stringify(name)}, ${files[name] ? "file" : JSON.stringify(plain(value))});\n`).join("")}`;
  } else {
    said["Content-Type"] = "application/json";
    body = `JSON.stringify(${JSON.stringify(params)})`;
  }
  const own = Object.entries(said).map(([name, value]) => `, ${JSON.stringify(name)}: ${JSON.stringify(value)}`).join("");
  return `${before}const response = await fetch(${JSON.stringify(address(path, raw ? params : null))}, {\n  method: "POST",\n  headers: { Authorization: \`Bearer \${token}\`${own} },\n  body: ${body},\n});`;
}

/** Where a file is the body, the parameters stand in the address. */
export function address(path, params) {
  const query = new URLSearchParams(Object.entries(params || {}).map(([name, value]) => [name, plain(value)]));
  return `${location.origin}${BASE}${path}${query.size ? `?${query}` : ""}`;
}

export function plain(value) {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function type(file) {
  return file.type || "application/octet-stream";
}

function quoted(text) {
  return /^[\w:/.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function literal(value) {
  if (Array.isArray(value)) return `[${value.map(literal).join(", ")}]`;
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "object") return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${literal(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}
