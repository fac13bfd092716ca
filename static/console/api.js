// Asking Postern. The tokens are this tab's: they end with it, and no other page or tab can read them.

/** The path under which a proxy shows Postern; nothing where it shows all of it. */
export const BASE = new URL("..", import.meta.url).pathname.slice(0, -1);
const KEY = `tokens${BASE}`; // of two behind one host each has its own
const EARLY = 30; // seconds before its end that a token is renewed

let tokens = JSON.parse(sessionStorage.getItem(KEY));
let renewing = null;
let ended = () => {};

export class Refused extends Error {
  constructor(status, answer) {
    super(answer.message);
    this.status = status;
    this.answer = answer;
  }
}

/** f is called when the login has ended. */
export function onEnd(f) {
  ended = f;
}

export function loggedIn() {
  return tokens !== null;
}

/** What the token says; Postern asks it itself, each time. */
function claims() {
  return tokens && JSON.parse(atob(tokens.access_token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
}

export function isAdmin() {
  return claims()?.role === "admin";
}

export function userId() {
  return claims()?.sub;
}

export async function login(username, password) {
  keep(await sent("/api/v1/login", { username, password }));
}

export async function logout() {
  const { access_token } = tokens || {};
  keep(null);
  if (access_token) await raw("POST", "/api/v1/logout", null, access_token);
}

/** The `data` of a GET. Throws Refused, and AbortError by the signal. */
export async function get(path, signal) {
  const { status, answer } = await ask("GET", path, null, signal);
  if (answer.code !== 0) throw new Refused(status, answer);
  return answer.data;
}

/** {status, headers, answer, ms}, whatever it is; answer is text where it is not JSON. */
export async function ask(verb, path, body = null, signal = null) {
  const told = await raw(verb, path, body, await token(), signal);
  if (told.status === 401) end();
  return told;
}

/** POST. Throws AbortError. What comes as a stream of text is told piece by piece; anything else but text is `blob`. */
export async function send({ target, headers, form, file, json }, signal, tell) {
  const began = performance.now();
  const bearer = await token();
  const body = form ? new FormData() : file ?? JSON.stringify(json);
  for (const [name, value] of form ?? []) body.append(name, value);
  const response = await fetch(target, { method: "POST", body, headers: { ...headers, Authorization: `Bearer ${bearer}` }, signal, cache: "no-store", credentials: "omit" });
  const type = response.headers.get("Content-Type") || "";
  const told = { status: response.status, headers: response.headers };
  if (response.status === 401) end();
  if (/json/.test(type)) told.answer = parsed(await response.text());
  else if (/^text|xml/.test(type)) told.answer = await streamed(response, tell);
  else Object.assign(told, { blob: await response.blob(), answer: "" });
  return { ...told, ms: performance.now() - began };
}

async function streamed(response, tell) {
  let text = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    text += read.value;
    tell(read.value);
  }
  return text;
}

function end() {
  if (!loggedIn()) return;
  keep(null);
  ended();
}

/** The token of the login, renewed if it is about to end; undefined without one. */
export async function token() {
  if (tokens && Date.now() > tokens.until) {
    renewing ||= renew().finally(() => { renewing = null; }); // a refresh token is good once
    await renewing;
  }
  return tokens?.access_token;
}

async function renew() {
  try {
    keep(await sent("/api/v1/token/refresh", { refresh_token: tokens.refresh_token }));
  } catch (error) {
    if (!(error instanceof Refused) || error.status !== 401) throw error; // Postern is away, the login is not over
    keep(null);
    ended();
  }
}

async function sent(path, body) {
  const { status, answer } = await raw("POST", path, body);
  if (answer.code !== 0) throw new Refused(status, answer);
  return answer.data;
}

function keep(pair) {
  tokens = pair && { ...pair, until: Date.now() + (pair.expires_in - EARLY) * 1000 };
  if (tokens) sessionStorage.setItem(KEY, JSON.stringify(tokens));
  else sessionStorage.removeItem(KEY);
}

async function raw(verb, path, body, bearer, signal = null) {
  const headers = bearer ? { Authorization: `Bearer ${bearer}` } : {};
  if (body !== null) headers["Content-Type"] = "application/json";
  const began = performance.now();
  const response = await fetch(BASE + path, {
    method: verb, headers, body: body === null ? undefined : JSON.stringify(body), signal, cache: "no-store", credentials: "omit",
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, answer: parsed(text), ms: performance.now() - began };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
