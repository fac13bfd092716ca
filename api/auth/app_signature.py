"""An app's proof: the signature over one whole request, valid once and for a few minutes.

Example::

    text = signed_text("GET", "/api/v1/services", timestamp, nonce, body_hash)
    signature = signature_of(secret, text)
"""

from __future__ import annotations

import hashlib
import hmac
import re
from urllib.parse import quote

from flask import request

from api.auth.app_registry import RegisteredApp
from api.auth.app_secrets import AppSecrets
from api.auth.wiring import auth_services
from api.context import app_state
from api.errors import CallerSignatureInvalid, Replayed, Unauthenticated
from api.http.body import check_declared_hash, declared_hash, read_body
from gateway.masking import Secret
from gateway.messages import Caller


def signed_text(verb: str, target: str, timestamp: str, nonce: str, body_hash: str) -> bytes:
    """Return what an app signs.

    :param target: path and query, as on the wire (Latin-1).
    :param body_hash: SHA-256 in lower-case hex.
    """
    return "\n".join((verb, target, timestamp, nonce, body_hash)).encode("latin-1")


def signature_of(secret: Secret, text: bytes) -> str:
    return hmac.new(secret.reveal().encode(), text, hashlib.sha256).hexdigest()


MAX_SKEW_SECONDS = 300  # that a timestamp may be off, either way
NONCE_TTL_SECONDS = 2 * MAX_SKEW_SECONDS + 1  # the last second a timestamp counts in, included
NONCE_LENGTHS = range(8, 65)
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_HEADERS = ("X-App-Id", "X-Timestamp", "X-Nonce", "X-Signature")
_UNKNOWN_SECRET = AppSecrets.make()  # where there is no secret: nobody knows this one


def signing_app(*, streamed: bool = False) -> Caller:
    """Return the app that signed this request.

    :param streamed: the view takes the body by ``iter_body``, which compares the hashes.
    :raises Unauthenticated: a header is missing.
    :raises CallerSignatureInvalid: no such app, or disabled, or a wrong signature; not said which.
    :raises Replayed: the timestamp is off, or the nonce has a wrong length or was seen before.
    :raises StoreUnavailable: nobody knows whether the nonce was seen before.
    """
    app_id, timestamp, nonce, signature = (request.headers.get(name, "") for name in _HEADERS)
    if not (app_id and timestamp and nonce and signature):
        raise Unauthenticated(f"A signed request has all of {', '.join(_HEADERS)}.")
    app = auth_services().apps.get(app_id)
    text = _signed_text(timestamp, nonce)
    # Two secrets are always tried, so that time does not tell whether there is such an app.
    matches = [_verify(secret, text, signature) for secret in _secrets(app)]
    if app is None or app.disabled or not any(matches):
        raise CallerSignatureInvalid
    if not streamed:
        check_declared_hash()
    _refuse_replay(app_id, timestamp, nonce)
    return Caller(
        f"app:{app_id}",
        "user",
        app.allow,
        app.rate or app_state().settings.default_rate_limit,
    )


def _secrets(app: RegisteredApp | None) -> list[Secret]:
    """Return the secrets to try, two for whatever app."""
    if app is None:
        return [_UNKNOWN_SECRET, _UNKNOWN_SECRET]
    secret = _open(app.secret)
    previous_secret = _open(app.previous_secret)
    if secret is None:
        app_state().log.warning(
            "app_secret_unreadable", app_id=app.app_id, hint="sealed with a key that is gone"
        )
    return [secret or _UNKNOWN_SECRET, previous_secret or _UNKNOWN_SECRET]


def _open(sealed: str | None) -> Secret | None:
    """Return a sealed secret; None where it was sealed with a key that is gone."""
    if not sealed:
        return _UNKNOWN_SECRET
    return auth_services().app_secrets.open(sealed)


def _verify(secret: Secret, text: bytes, signature: str) -> bool:
    return hmac.compare_digest(signature_of(secret, text).encode(), signature.encode())


def _signed_text(timestamp: str, nonce: str) -> bytes:
    body = declared_hash() or hashlib.sha256(read_body()).hexdigest()
    # As it was sent, before a proxy took the prefix off.
    target = request.root_path + wire_target()
    return signed_text(request.method, target, timestamp, nonce, body)


def wire_target() -> str:
    """Return path and query byte for byte (Latin-1); quoted anew if the server does not say."""
    environ = request.environ
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target is None:
        target = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=~")
        if environ.get("QUERY_STRING"):
            target += f"?{environ['QUERY_STRING']}"
        return target
    if not target.startswith("/"):  # the absolute form, as a forward proxy is asked
        return "/" + target.partition("://")[2].partition("/")[2]
    return str(target)


def _refuse_replay(app_id: str, timestamp: str, nonce: str) -> None:
    now = int(auth_services().clock.wall())
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > MAX_SKEW_SECONDS:
        raise Replayed("The timestamp is not Unix seconds within 300 seconds of ours.")
    if len(nonce) not in NONCE_LENGTHS:
        raise Replayed("The nonce is not 8 to 64 characters long.")
    if not auth_services().nonces.add(f"nonce:{app_id}:{nonce}", b"1", NONCE_TTL_SECONDS):
        raise Replayed("The nonce was seen before.")
