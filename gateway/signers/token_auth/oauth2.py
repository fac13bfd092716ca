"""OAuth 2.0: tokens of the grants that need nobody at a browser, sent as Bearer (RFC 6750).

client_credentials and password are RFC 6749, 4.4 and 4.3; jwt_bearer is RFC 7523, 2.1, as Google's
service accounts use it; private_key_jwt is RFC 7523, 2.2::

    auth: {type: oauth2, grant: jwt_bearer, service_account: "${file:/run/secrets/google.json}",
           scope: https://www.googleapis.com/auth/spreadsheets}
"""

from __future__ import annotations

import json
import secrets
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from marshmallow import ValidationError, post_load, validate, validates_schema

from gateway.masking import STARS, Secret
from gateway.messages import HttpRequest, HttpResponse
from gateway.signers.base import Auth, AuthSettings, Send, Signer, plain
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS, FORM, TokenAnswer
from gateway.signers.token_auth.assertions import (
    ALGORITHMS,
    assertion_signer,
    check_private_key,
    lifetime_claims,
)
from gateway.signers.token_auth.request import split_url
from schemas.catalog_fields import NamedMap, one_of, text

ENDPOINT_URL = r"(https?://[A-Za-z0-9._:\[\]-]+)?/[!\x22$->@-~]*\Z"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
JWT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE_SECONDS = 3600.0  # Google takes no longer one
MISSING = "missing; this key is required"
#: By grant, the keys that it cannot do without.
REQUIRED_KEYS: Mapping[str, tuple[str, ...]] = {
    "client_credentials": ("client_id", "token_url"),
    "password": ("username", "password", "token_url"),
    "jwt_bearer": ("issuer", "private_key", "token_url"),
}

Form = dict[str, str]


def _token_url(**options: Any) -> Any:
    error = "must be a path, or a URL without query"
    return text(validate=validate.Regexp(ENDPOINT_URL, error=error), public=True, **options)


class OAuth2(Signer):
    """Sends a Bearer token that it fetches from the service, or from a URL on any host."""

    class Settings(AuthSettings):
        grant = text(validate=one_of(*REQUIRED_KEYS), public=True)
        client_id = text(public=True)
        client_secret = text()
        client_auth = text(validate=one_of("basic", "body", "private_key_jwt", "none"), public=True)
        token_url = _token_url()
        scope = text(public=True)
        audience = text(public=True)
        extra = NamedMap(text())
        username = text(public=True)
        password = text()
        service_account = text()
        issuer = text(public=True)
        sub = text(public=True)
        private_key = text()
        key_id = text(public=True)
        algorithm = text(validate=one_of(*ALGORITHMS), public=True)

        @validates_schema
        def check_grant(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            data = _with_service_account(data)
            grant = data.get("grant", "client_credentials")
            required = {*REQUIRED_KEYS[grant], *_client_keys(data, grant)}
            missing = {key: [MISSING] for key in sorted(required - data.keys())}
            if missing:
                raise ValidationError(missing)
            if "private_key" in data:
                check_private_key(data["private_key"], data.get("algorithm", ALGORITHMS[0]))

        @post_load
        def fill_service_account(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
            return _with_service_account(data)

        @classmethod
        def token_urls(cls, settings: Auth) -> tuple[str, ...]:
            url = plain(settings["token_url"])
            return () if url.startswith("/") else (url,)

    example: ClassVar[Auth] = {
        "grant": "password",
        "username": "ann",
        "password": "${OTHER}",
        "client_id": "app",
        "client_secret": "${SECRET}",
        "token_url": "/t",
    }
    fetches_token = True
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        grant = auth.get("grant", "client_credentials")
        self._host, self._path = split_url(plain(auth["token_url"]), base_url)
        form = {name: plain(auth[name]) for name in ("scope", "audience") if name in auth}
        self._form = form | {name: plain(value) for name, value in auth.get("extra", {}).items()}
        self._headers = {
            "Content-Type": FORM,
            "Accept": "application/json",
            "User-Agent": "postern",
        }
        self._grant = GRANTS[grant](auth, self._host + self._path)
        self._client_assertion: Callable[[float], Form] | None = None
        self._add_client(auth, _client_auth(auth, grant))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", "Bearer " + token.reveal())

    def fetch_token(self, send: Send, now: float) -> tuple[Secret, float]:
        form = self._grant(now) | self._form
        if self._client_assertion:
            form |= self._client_assertion(now)
        body = urlencode(form, quote_via=quote).encode()
        return read_grant(
            send(HttpRequest("POST", self._host, self._path, (), self._headers, body))
        )

    def _add_client(self, auth: Auth, client_auth: str) -> None:
        """Have requests say who we are (RFC 6749, 2.3)."""
        client_id = plain(auth.get("client_id", ""))
        client_secret = plain(auth.get("client_secret", ""))
        if client_auth == "body":
            self._form |= {"client_id": client_id, "client_secret": client_secret}
        elif client_auth == "basic":  # both are form-encoded before they are joined (2.3.1)
            pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
            encoded = b64encode(pair.encode()).decode()
            self.secrets = (Secret(encoded),)
            if client_secret == STARS:
                encoded = STARS
            self._headers["Authorization"] = "Basic " + encoded
        elif client_auth == "private_key_jwt":
            self._client_assertion = _client_assertion(auth, self._host + self._path)
        elif client_id:
            self._form["client_id"] = client_id


class OAuth2ClientCredentials(OAuth2):
    """The same with the one grant."""

    class Settings(OAuth2.Settings):
        client_id = text(required=True, public=True)
        client_secret = text(required=True)
        token_url = _token_url(required=True)
        client_auth = text(validate=one_of("basic", "body"), public=True)

        class Meta(OAuth2.Settings.Meta):
            exclude = (
                "grant", "username", "password", "service_account", "issuer", "sub",
                "private_key", "key_id", "algorithm",
            )  # fmt: skip

    example: ClassVar[Auth] = {
        "client_id": "app",
        "client_secret": "${SECRET}",
        "token_url": "/t",
        "extra": {"more": "${OTHER}"},
    }


def _client_auth(auth: Auth, grant: str) -> str:
    """Return how we say who we are, where ``client_auth`` does not."""
    usual = "basic" if "client_secret" in auth or grant == "client_credentials" else "none"
    return str(auth.get("client_auth", usual))


def _client_keys(auth: Auth, grant: str) -> tuple[str, ...]:
    """Return the keys that saying who we are needs."""
    client_auth = _client_auth(auth, grant)
    if client_auth == "none":
        return ()
    if client_auth == "private_key_jwt":
        return ("client_id", "private_key")
    return ("client_id", "client_secret")


def _with_service_account(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with what a Google service account's JSON file says.

    :raises ValidationError: the text is no such file.
    """
    settings = dict(data)
    account = settings.pop("service_account", None)
    if account is None:
        return settings
    try:
        members = json.loads(account)
        keys = {
            "issuer": members["client_email"],
            "private_key": members["private_key"],
            "key_id": members["private_key_id"],
            "token_url": members["token_uri"],
        }
    except (ValueError, TypeError, KeyError) as error:
        message = "must be a service account's JSON key, as it is downloaded from Google"
        raise ValidationError(message, "service_account") from error
    return {"grant": "jwt_bearer", **keys, **settings}


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


GRANTS: Mapping[str, Callable[[Auth, str], Callable[[float], Form]]] = {
    "client_credentials": _client_credentials,
    "password": _password,
    "jwt_bearer": _jwt_bearer,
}


def _client_assertion(auth: Auth, token_url: str) -> Callable[[float], Form]:
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


def _signer(auth: Auth) -> Callable[[Mapping[str, Any]], str]:
    key_id = plain(auth["key_id"]) if "key_id" in auth else None
    algorithm = str(auth.get("algorithm", ALGORITHMS[0]))
    return assertion_signer(plain(auth["private_key"]), algorithm, key_id)


def read_grant(response: HttpResponse) -> tuple[Secret, float]:
    """Return the token of an endpoint's answer (RFC 6749, 5.1), and the seconds it lives.

    :raises CredentialError: it has none, or none that can be sent as it is.
    """
    answer = TokenAnswer(response)
    token = answer.token("access_token")
    if token is None:
        raise answer.refusal()
    life = answer.life("expires_in", None, 0)
    return token, DEFAULT_LIFE_SECONDS if life is None else life
