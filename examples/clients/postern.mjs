// Sign requests to Postern as an app: in Node 20 or newer, and in browsers (https or localhost, where WebCrypto is).
// Copy this file; it needs nothing else. A secret that stands in a web page is everybody's: in a browser it belongs
// into a tool that only its owner opens, and Postern's CORS_ORIGINS has to name the page's origin.
//
//     import { sign } from "./postern.mjs";
//
//     const request = new Request("http://127.0.0.1:5000/api/v1/call/wechat/send_msg", {
//       method: "POST",
//       headers: { "Content-Type": "application/json" },
//       body: JSON.stringify({ touser: "o6_bmjrPTlm6", text: "hello" }),
//     });
//     const answer = await fetch(await sign(request, "shop", "the secret that `flask app create shop` printed"));

const bytes = (text) => new TextEncoder().encode(text);
const hex = (buffer) => Array.from(new Uint8Array(buffer), (each) => each.toString(16).padStart(2, "0")).join("");

/** A copy of the Request with a timestamp, a nonce and the signature over itself; it can be sent once. */
export async function sign(request, appId, secret) {
  const body = await request.clone().arrayBuffer();
  const { pathname, search } = new URL(request.url);
  const timestamp = String(Math.floor(Date.now() / 1000));
  const nonce = hex(crypto.getRandomValues(new Uint8Array(16)));
  const hash = hex(await crypto.subtle.digest("SHA-256", body));
  const text = [request.method, pathname + search, timestamp, nonce, hash].join("\n");
  const key = await crypto.subtle.importKey("raw", bytes(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signature = hex(await crypto.subtle.sign("HMAC", key, bytes(text)));
  const signed = new Request(request, body.byteLength ? { body } : {});
  const proof = {
    "X-App-Id": appId, "X-Timestamp": timestamp, "X-Nonce": nonce, "X-Content-SHA256": hash, "X-Signature": signature,
  };
  for (const [name, value] of Object.entries(proof)) signed.headers.set(name, value);
  return signed;
}
