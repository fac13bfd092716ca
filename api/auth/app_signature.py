"""An app's proof: the signature over one whole request, good once and for a few minutes."""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote

from flask import request

from api.auth.app_secrets import AppSecrets
from api.auth.wiring import auth_services
from api.context import app_state
from api.errors import CallerSignatureInvalid, Replayed, Unauthenticated
from api.http.body import check_declared_hash, declared_hash, read_body
from gateway.masking import Secret
from gateway.messages import Caller
from models import App

# app_signature: How an app's signature over a request is made; what is checked and what is explained are one thing.


def signed_text(verb: str, target: str, timestamp: str, nonce: str, body_hash: str) -> bytes:
    """What is signed.

    :param target: path and query, as on the wire (Latin-1).
    :param body_hash: SHA-256 in lower-case hex.
    """
    return "\n".join((verb, target, timestamp, nonce, body_hash)).encode("latin-1")


def signature_of(secret: Secret, signed: bytes) -> str:
    return hmac.new(secret.reveal().encode(), signed, hashlib.sha256).hexdigest()


# signatures: An app's proof: the signature over one whole request, good once and for a few minutes.

CLOCK_SKEW = 300  # seconds a timestamp may be off, either way
NONCE_KEPT = 2 * CLOCK_SKEW + 1  # the last second a timestamp counts in, included
NONCE_LENGTHS = range(8, 65)
_HEADERS = ("X-App-Id", "X-Timestamp", "X-Nonce", "X-Signature")
_NO_SECRET = AppSecrets.make()  # stands where there is none, and nobody knows it


def signing_app(*, streamed: bool = False) -> Caller:
    """The app that signed this request.

    :param streamed: the view takes the body by ``iter_body``, which compares it with the hash that was declared.
    :raises Unauthenticated: a header is missing.
    :raises CallerSignatureInvalid: no such app, or disabled, or a signature of something else; it does not say which.
    :raises Replayed: the timestamp is off, or the nonce is of no use or was seen before.
    :raises StoreUnavailable: it cannot be told whether the nonce was seen before.
    """
    app_id, timestamp, nonce, signature = (request.headers.get(name, "") for name in _HEADERS)
    if not (app_id and timestamp and nonce and signature):
        raise Unauthenticated(f"A signed request has all of {', '.join(_HEADERS)}.")
    with app_state().database.reading() as session:
        app = App.named(session, app_id)
    signed = _signed_text(timestamp, nonce)
    # Two secrets are always tried, so that time does not tell whether there is such an app.
    fits = [_fits(secret, signed, signature) for secret in _secrets(app)]
    if app is None or app.disabled or not any(fits):
        raise CallerSignatureInvalid
    if not streamed:
        check_declared_hash()
    _refuse_replay(app_id, timestamp, nonce)
    return Caller(
        f"app:{app_id}",
        "user",
        tuple(app.allow),
        app.rate or app_state().settings.default_rate_limit,
    )


def _secrets(app: App | None) -> list[Secret]:
    sealed = (app.secret, app.previous_secret) if app else (None, None)
    opened = [auth_services().app_secrets.open(each) if each else _NO_SECRET for each in sealed]
    if app and opened[0] is None:
        app_state().log.warning(
            "app_secret_unreadable", app_id=app.app_id, hint="sealed with a key that is gone"
        )
    return [each or _NO_SECRET for each in opened]


def _fits(secret: Secret, signed: bytes, signature: str) -> bool:
    return hmac.compare_digest(signature_of(secret, signed).encode(), signature.encode())


def _signed_text(timestamp: str, nonce: str) -> bytes:
    body = declared_hash() or hashlib.sha256(read_body()).hexdigest()
    target = (
        request.root_path + wire_target()
    )  # what was asked for, before a proxy took the prefix off
    return signed_text(request.method, target, timestamp, nonce, body)


def wire_target() -> str:
    """Path and query as they came, byte for byte (Latin-1); quoted anew where the server does not tell."""
    environ = request.environ
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target is None:
        path = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=~")
        return path + (f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else "")
    if not target.startswith("/"):  # the absolute form, as a forward proxy is asked
        return "/" + target.partition("://")[2].partition("/")[2]
    return str(target)


def _refuse_replay(app_id: str, timestamp: str, nonce: str) -> None:
    sent = int(timestamp) if re.fullmatch(r"[0-9]{1,12}", timestamp) else None
    if sent is None or abs(int(auth_services().clock.wall()) - sent) > CLOCK_SKEW:
        raise Replayed("The timestamp is not Unix seconds within 300 seconds of ours.")
    if len(nonce) not in NONCE_LENGTHS:
        raise Replayed("The nonce is not 8 to 64 characters long.")
    if not auth_services().nonces.add(f"nonce:{app_id}:{nonce}", b"1", NONCE_KEPT):
        raise Replayed("The nonce was seen before.")
