"""The forms that ask for a token, by grant, and what a token endpoint answers them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from gateway.http_messages import HttpResponse
from gateway.signers.base import Auth, plain
from gateway.signers.token_auth.answer import TokenAnswer
from gateway.signers.token_auth.assertions import (
    ALGORITHMS,
    Sign,
    assertion_signer,
    lifetime_claims,
)
from gateway.signers.tokens.connection_store import Grant, GrantRefused, Outcome

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE_SECONDS = 3600.0  # Google takes no longer one
#: How vendors call a refresh token that they take no more, the first as RFC 6749 has it.
REVOKED_CODES = frozenset(
    {"invalid_grant", "bad_refresh_token", "invalid_refresh_token", "expired_refresh_token"}
)
#: An answer for somebody who did not get one: what became of the request is unknown.
GATEWAY_STATUSES = frozenset({502, 504})
REFRESH_LIFE_PLACES = ("refresh_token_expires_in", "refresh_expires_in")

Form = dict[str, str]


def _client_credentials(auth: Auth, token_url: str) -> Callable[[float], Form]:
    return lambda now: {"grant_type": "client_credentials"}


def _password(auth: Auth, token_url: str) -> Callable[[float], Form]:
    form = {"grant_type": "password"}
    form |= {name: plain(auth[name]) for name in ("username", "password")}
    return lambda now: dict(form)


def _jwt_bearer(auth: Auth, token_url: str) -> Callable[[float], Form]:
    sign = _signer(auth)
    claims = {"iss": plain(auth["issuer"]), "aud": plain(auth.get("audience", token_url))}
    claims |= {name: plain(auth[name]) for name in ("scope", "sub") if name in auth}

    def form(now: float) -> Form:
        assertion = sign(claims | lifetime_claims(now, ASSERTION_LIFE_SECONDS))
        return {"grant_type": JWT_BEARER, "assertion": assertion}

    return form


def _refresh_token(auth: Auth, token_url: str) -> Callable[[float], Form]:
    """Return the form without the refresh token, which is another one each time."""
    return lambda now: {"grant_type": "refresh_token"}


GRANTS: Mapping[str, Callable[[Auth, str], Callable[[float], Form]]] = {
    "client_credentials": _client_credentials,
    "password": _password,
    "jwt_bearer": _jwt_bearer,
    "refresh_token": _refresh_token,
    "authorization_code": _refresh_token,
}


def client_assertion(auth: Auth, token_url: str) -> Callable[[float], Form]:
    """Return the form fields by which a client proves itself with its key (RFC 7523, 2.2)."""
    sign = _signer(auth)
    client_id = plain(auth["client_id"])
    claims = {"iss": client_id, "sub": client_id, "aud": token_url}

    def form(now: float) -> Form:
        unique = {"jti": secrets.token_hex(16)}
        return {
            "client_assertion_type": JWT_ASSERTION,
            "client_assertion": sign(claims | unique | lifetime_claims(now)),
        }

    return form


def _signer(auth: Auth) -> Sign:
    key_id = plain(auth["key_id"]) if "key_id" in auth else None
    algorithm = str(auth.get("algorithm", ALGORITHMS[0]))
    certificate = plain(auth["certificate"]) if "certificate" in auth else None
    return assertion_signer(plain(auth["private_key"]), algorithm, key_id, certificate)


def read_grant(response: HttpResponse) -> Grant:
    """Return what an endpoint's answer gives (RFC 6749, 5.1).

    :raises GrantRefused: it has no access token, or none that can be sent as it is.
    """
    answer = TokenAnswer(response)
    access_token = answer.token("access_token")
    if access_token is None:
        refusal = answer.refusal()
        raise GrantRefused.of(refusal, _outcome(response, refusal.vendor_code))
    refresh_lives = (answer.life(place, None, 0) for place in REFRESH_LIFE_PLACES)
    scope = answer.find("scope")
    return Grant(
        access_token,
        answer.life("expires_in", None, 0),
        answer.token("refresh_token"),
        next(filter(None, refresh_lives), None),
        scope if isinstance(scope, str) else None,
    )


def _outcome(response: HttpResponse, code: str | None) -> Outcome:
    """Return what an answer without a token means for the refresh token that was sent."""
    if code in REVOKED_CODES:
        return "revoked"
    is_success = 200 <= response.status < 300
    if response.status in GATEWAY_STATUSES or (is_success and code is None):
        return "unknown"
    return "unused"
