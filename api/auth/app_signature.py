"""An app's proof: the signature over one whole request, valid once and for a few minutes."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Request

from api.auth.app_registry import RegisteredApp, signing_key
from api.auth.app_secrets import AppSecrets
from api.auth.wiring import AuthServices, auth_services
from api.context import app_state
from api.errors import CallerSignatureInvalid, Replayed, Unauthenticated
from api.http.bodies import check_declared_hash, declared_hash, read_body
from api.request_context import current_context
from gateway.errors import Unavailable
from gateway.masking import Secret
from gateway.messages import Caller


def signed_text(verb: str, target: str, timestamp: str, nonce: str, body_hash: str) -> bytes:
    """Return what an app signs.

    :param target: path and query, as on the wire (Latin-1).
    :param body_hash: SHA-256 in lower-case hex.
    """
    return "\n".join((verb, target, timestamp, nonce, body_hash)).encode("latin-1")


def signature_of(secret: Secret, text: bytes) -> str:
    return hmac.digest(secret.reveal().encode(), text, "sha256").hex()


MAX_SKEW_SECONDS = 300  # that a timestamp may be off, either way
NONCE_TTL_SECONDS = 2 * MAX_SKEW_SECONDS + 1  # the last second a timestamp counts in, included
NONCE_LENGTHS = range(8, 65)
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_HEADERS = ("X-App-Id", "X-Timestamp", "X-Nonce", "X-Signature")
_UNKNOWN_KEY = signing_key(AppSecrets.make())  # where there is no secret: nobody knows it


def signing_app(*, streamed: bool = False) -> Caller:
    """Return the app that signed this request.

    :param streamed: the view takes the body by ``iter_body``, which compares the hashes.
    :raises Unauthenticated: a header is missing.
    :raises CallerSignatureInvalid: no such app, or disabled, or a wrong signature; not said which.
    :raises Replayed: the timestamp is off, or the nonce has a wrong length or was seen before.
    :raises StoreUnavailable: nobody knows whether the nonce was seen before.
    """
    incoming = current_context().request
    get = incoming.environ.get
    app_id = get("HTTP_X_APP_ID")
    timestamp = get("HTTP_X_TIMESTAMP")
    nonce = get("HTTP_X_NONCE")
    signature = get("HTTP_X_SIGNATURE")
    if not (app_id and timestamp and nonce and signature):
        raise Unauthenticated(f"A signed request has all of {', '.join(_HEADERS)}; send them all.")
    services = auth_services()
    app = services.apps.get(app_id)
    declared = declared_hash()
    body_hash = declared or hashlib.sha256(read_body()).hexdigest()
    text = signed_text(incoming.method, _target(incoming), timestamp, nonce, body_hash)
    matches = _verify(app, text, signature.encode())
    if not matches or app is None or app.disabled:
        app = services.apps.read(app_id)  # another process may just have made or changed it
        matches = _verify(app, text, signature.encode())
    if app and not matches and app.keys[0] is None:
        app_state().log.warning(
            "app_secret_unreadable", app_id=app.row.app_id, hint="sealed with a key that is gone"
        )
        raise Unavailable("This app's secret cannot be opened; its admin has to look.")
    if app is None or app.disabled or not matches:
        raise CallerSignatureInvalid.of(text)
    if declared and not streamed:
        check_declared_hash()
    _refuse_replay(services, app_id, timestamp, nonce)
    services.apps.note_use(app)
    return app.caller


def _verify(app: RegisteredApp | None, text: bytes, signature: bytes) -> bool:
    """Return whether one of an app's two secrets gives this signature.

    Whoever is refused is tried with two, so that time does not tell whether there is such an app.
    """
    current_key, previous_key = app.keys if app else (None, None)
    is_current = _signs(current_key, text, signature)
    if is_current and app and not app.disabled:
        return True
    return _signs(previous_key, text, signature) or is_current


def _signs(key: hmac.HMAC | None, text: bytes, signature: bytes) -> bool:
    expected = (key or _UNKNOWN_KEY).copy()
    expected.update(text)
    return hmac.compare_digest(expected.hexdigest().encode(), signature)


def _target(incoming: Request) -> str:
    """Return path and query as they were sent, before a proxy took the prefix off."""
    target = wire_target(incoming.environ)
    if incoming.environ.get("SCRIPT_NAME"):
        return incoming.root_path + target
    return target


def wire_target(environ: Mapping[str, Any]) -> str:
    """Return path and query byte for byte (Latin-1); quoted anew if the server does not say."""
    target = environ.get("RAW_URI") or environ.get("REQUEST_URI")
    if target is None:
        target = quote(environ["PATH_INFO"].encode("latin-1"), safe="/:@!$&'()*+,;=~")
        if environ.get("QUERY_STRING"):
            target += f"?{environ['QUERY_STRING']}"
        return target
    if not target.startswith("/"):  # the absolute form, as a forward proxy is asked
        return "/" + target.partition("://")[2].partition("/")[2]
    return str(target)


def _refuse_replay(services: AuthServices, app_id: str, timestamp: str, nonce: str) -> None:
    now = int(services.clock.wall())
    if not _TIMESTAMP.fullmatch(timestamp) or abs(now - int(timestamp)) > MAX_SKEW_SECONDS:
        raise Replayed(
            "The timestamp is not Unix seconds within 300 seconds of ours; set the clock right and"
            " sign anew."
        )
    if len(nonce) not in NONCE_LENGTHS:
        raise Replayed("The nonce is not 8 to 64 characters long; sign with such a one.")
    if not services.nonces.add(f"nonce:{app_id}:{nonce}", b"1", NONCE_TTL_SECONDS):
        raise Replayed("The nonce was seen before; sign each request anew, a repeated one, too.")
