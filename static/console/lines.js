// A call as lines to paste into a shell, or a file of Python or of node (.mjs): with a login's token, or signed as an
// app.

import { API } from "./api.js";
import { text } from "./dom.js";

const BOUNDARY = "postern-4f1c9a60b7d2"; // of the form that a shell makes

/** By its name what makes lines of content(call), and whether an app sends it. */
export const LANGUAGES = { curl, Python: python, JavaScript: javascript };

/** {target, headers} and one of json, form and file of {path, params, headers, files, raw}; raw is {file, field}: a
 * streamed form's, or without a field the body itself. Beside it the parameters stand in the target. */
export function content({ path, params, headers, files, raw }) {
  const texts = Object.entries(params).map(([name, value]) => [name, files[name] ?? text(value)]);
  const query = raw && texts.length ? `?${new URLSearchParams(texts)}` : "";
  const own = (type, body) => (
    { target: API + path + query, headers: { ...headers, ...(type && { "Content-Type": type }) }, ...body });
  if (raw?.field) return own(null, { form: [[raw.field, raw.file]] });
  if (raw) return own(typeOf(raw.file), raw);
  return Object.keys(files).length ? own(null, { form: texts }) : own("application/json", { json: params });
}

function curl({ target, headers, form, file, json }, asApp) {
  const options = Object.entries(headers).map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`);
  const payload = quoted(JSON.stringify(json) ?? "");
  if (!asApp) {
    const body = form?.map(curlPart) ?? [file ? `--data-binary ${quoted(`@${file.name}`)}` : `-d ${payload}`];
    const url = quoted(location.origin + target);
    return [`curl -s ${url}`, '-H "Authorization: Bearer $TOKEN"', ...options, ...body].join(" \\\n  ");
  }
  if (form) options.push(`-H 'Content-Type: multipart/form-data; boundary=${BOUNDARY}'`);
  const body = form ? shellForm(form) : `printf %s ${payload}`;
  options.unshift('-H "X-Content-SHA256: $HASH" -H "X-Signature: $SIGNATURE"');
  const hmac = 'openssl dgst -sha256 -r -hmac "$APP_SECRET"';
  return `${file ? `BODY=${quoted(file.name)}` : `BODY=$(mktemp)\n${body} > "$BODY"`}
TARGET=${quoted(target)} TIME=$(date +%s) NONCE=$(openssl rand -hex 16)
HASH=$(openssl dgst -sha256 -r < "$BODY" | cut -c1-64)
SIGNATURE=$(printf 'POST\\n%s\\n%s\\n%s\\n%s' "$TARGET" $TIME $NONCE $HASH | ${hmac} | cut -c1-64)
curl -s "${location.origin}$TARGET" -H "X-App-Id: $APP_ID" -H "X-Timestamp: $TIME" -H "X-Nonce: $NONCE" \\
  ${[...options, '--data-binary "@$BODY"'].join(" \\\n  ")}`;
}

function curlPart([name, value]) {
  if (!isFile(value)) return `--form-string ${quoted(`${name}=${value}`)}`;
  const filename = value.name.replace(/["\\]/g, "\\$&");
  return `-F ${quoted(`${name}=@"${filename}";type=${typeOf(value)}`)}`;
}

/** As it goes over the wire, so that it has a hash. */
function shellForm(form) {
  const inName = (text) => text.replace(/["\r\n]/g, encodeURIComponent);
  const lines = (...texts) => `  printf '%s\\r\\n' --${BOUNDARY}${texts.map((line) => ` ${quoted(line)}`).join("")}\n`;
  const parts = form.map(([name, value]) => {
    const head = `Content-Disposition: form-data; name="${inName(name)}"`;
    if (!isFile(value)) return lines(head, "", value);
    const heads = lines(`${head}; filename="${inName(value.name)}"`, `Content-Type: ${typeOf(value)}`, "");
    return `${heads}  cat < ${quoted(value.name)}\n  printf '\\r\\n'\n`;
  });
  return `{\n${parts.join("")}  printf '%s\\r\\n' --${BOUNDARY}--\n}`;
}

function python({ target, headers, form, file, json }, asApp) {
  const open = (value) => `open(${quote(value.name)}, "rb")`;
  const some = (files, f) => `{${pairs(form.filter(([, value]) => isFile(value) === files), f)}}`;
  const part = (value) => `(${quote(value.name)}, ${open(value)}, ${quote(typeOf(value))})`;
  const body = form ? `data=${some(false, quote)},\n    files=${some(true, part)}`
    : file ? `data=${open(file)}.read()` : `json=${literal(json)}`;
  const own = pairs(Object.entries(headers), quote);
  const bearer = `"Authorization": "Bearer " + os.environ["TOKEN"]${own && `, ${own}`}`;
  return `${asApp ? "import hashlib, hmac, os, secrets, time" : "import os"}
import requests
${asApp ? `
def sign(request):
    body = request.body or b""
    digest = hashlib.sha256(body if isinstance(body, bytes) else body.encode()).hexdigest()
    now, nonce = str(int(time.time())), secrets.token_hex(16)
    text = "\\n".join(["POST", request.path_url, now, nonce, digest])
    request.headers.update({
        "X-App-Id": os.environ["APP_ID"], "X-Timestamp": now, "X-Nonce": nonce, "X-Content-SHA256": digest,
        "X-Signature": hmac.new(os.environ["APP_SECRET"].encode(), text.encode(), "sha256").hexdigest(),
    })
    return request
` : ""}
response = requests.post(
    ${quote(location.origin + target)},
    headers={${asApp ? `${own}},\n    auth=sign` : `${bearer}}`},
    ${body},
)
print(response.text)`;
}

function javascript({ target, headers, form, file, json }, asApp) {
  const open = (value) => `new Blob([readFileSync(${quote(value.name)})], { type: ${quote(typeOf(value))} })`;
  const part = (value) => (isFile(value) ? `${open(value)}, ${quote(value.name)}` : quote(value));
  const fields = form?.map(([name, value]) => `form.append(${quote(name)}, ${part(value)});\n`);
  const own = pairs(Object.entries(headers), quote);
  const head = [
    asApp && 'import crypto from "node:crypto";\n',
    (form || file) && 'import { readFileSync } from "node:fs";\n',
    form && `const form = new FormData();\n${fields.join("")}`];
  return `${head.filter(Boolean).join("")}
const request = new Request(${quote(location.origin + target)}, {
  method: "POST",
  headers: { ${asApp ? own : `Authorization: \`Bearer \${process.env.TOKEN}\`${own && `, ${own}`}`} },
  body: ${form ? "form" : file ? open(file) : `JSON.stringify(${JSON.stringify(json)})`},
});
${asApp ? `const body = Buffer.from(await request.clone().arrayBuffer());
const hash = crypto.createHash("sha256").update(body).digest("hex");
const text = ["POST", ${quote(target)}, Math.floor(Date.now() / 1000), crypto.randomUUID(), hash];
const signature = crypto.createHmac("sha256", process.env.APP_SECRET).update(text.join("\\n")).digest("hex");
const names = ["X-App-Id", "X-Timestamp", "X-Nonce", "X-Content-SHA256", "X-Signature"];
[process.env.APP_ID, ...text.slice(2), signature].forEach((value, at) => request.headers.set(names[at], value));
const response = await fetch(request, { body });` : "const response = await fetch(request);"}
console.log(await response.text());`.trimStart();
}

function pairs(given, f) {
  return given.map(([name, value]) => `${quote(name)}: ${f(value)}`).join(", ");
}

function isFile(value) {
  return value instanceof File;
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
  if (typeof value === "object" && value) return `{${pairs(Object.entries(value), literal)}}`;
  return typeof value === "string" ? quote(value) : { null: "None", true: "True", false: "False" }[value] ?? value;
}
