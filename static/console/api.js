// Asking Postern. The tokens are this tab's: they end with it, and no other page or tab can read them.

/** The path under which a proxy shows Postern; nothing where it shows all of it. */
export const BASE = new URL("..", import.meta.url).pathname.slice(0, -1);
export const API = `${BASE}/api/v1`;
const KEY = `tokens${BASE}`; // of two behind one host each has its own
const RENEWAL_SECONDS = 30; // before its end that a token is renewed

let tokens = JSON.parse(sessionStorage.getItem(KEY));
let renewing = null;

class Refused extends Error {
  constructor(status, answer) {
    super(answer.message);
    Object.assign(this, { status, answer });
  }
}

/** What the token says of who is logged in, or null; Postern asks it itself, each time. */
export function user() {
  return tokens && JSON.parse(atob(tokens.access_token.split(".")[1].replace(/-/g, "+").replace(/_/g, "/")));
}

export function isAdmin() {
  return user()?.role === "admin";
}

export async function login(username, password) {
  setTokens(await exchange("POST", "/login", { username, password }));
}

export async function logout() {
  const { access_token } = tokens;
  setTokens(null);
  await exchange("POST", "/logout", null, { bearer: access_token });
}

export function get(path, signal) {
  return ask("GET", path, null, signal);
}

/** The `data` of the answer. Throws Refused, and AbortError by the signal. */
export async function ask(verb, path, json, signal) {
  return exchange(verb, path, json, { bearer: await token(), signal });
}

async function exchange(method, path, json, options) {
  const body = json ? { body: JSON.stringify(json), headers: { "Content-Type": "application/json" } } : {};
  const response = await request(API + path, { method, ...body, ...options });
  const answer = parsed(await response.text());
  if (answer.code !== 0) throw new Refused(response.status, answer);
  return answer.data;
}

/** POST. Throws AbortError. A stream of text is given to `onPiece` as it comes; anything else but text is `blob`. */
export async function send({ target, headers, form, file, json }, signal, onPiece) {
  const began = performance.now();
  const body = form ? new FormData() : file ?? JSON.stringify(json);
  for (const [name, value] of form ?? []) body.append(name, value);
  const response = await request(target, { method: "POST", body, headers, bearer: await token(), signal });
  const type = response.headers.get("Content-Type") || "";
  const result = { status: response.status, headers: response.headers, answer: "" };
  if (/json/.test(type)) result.answer = parsed(await response.text());
  else if (/^text|xml/.test(type)) result.answer = await streamed(response, onPiece);
  else result.blob = await response.blob();
  return { ...result, ms: performance.now() - began };
}

async function request(target, { headers, bearer, ...options }) {
  const proof = bearer && { Authorization: `Bearer ${bearer}` };
  const response = await fetch(target, {
    ...options, headers: { ...headers, ...proof }, cache: "no-store", credentials: "omit",
  });
  if (response.status === 401) end();
  return response;
}

async function streamed(response, onPiece) {
  let text = "";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    text += read.value;
    onPiece(read.value);
  }
  return text;
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
    setTokens(await exchange("POST", "/token/refresh", { refresh_token: tokens.refresh_token }));
  } catch (error) {
    if (tokens) throw error; // Postern is away, the login is not over
  }
}

/** The page hears of it by the event `logout`. */
function end() {
  if (!tokens) return;
  setTokens(null);
  dispatchEvent(new Event("logout"));
}

function setTokens(pair) {
  tokens = pair && { ...pair, until: Date.now() + (pair.expires_in - RENEWAL_SECONDS) * 1000 };
  if (tokens) sessionStorage.setItem(KEY, JSON.stringify(tokens));
  else sessionStorage.removeItem(KEY);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
