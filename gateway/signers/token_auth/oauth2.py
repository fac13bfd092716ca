"""OAuth 2.0: tokens of any grant, sent as Bearer (RFC 6750).

client_credentials and password are RFC 6749, 4.4 and 4.3; jwt_bearer is RFC 7523, 2.1, as Google's
service accounts use it; private_key_jwt is RFC 7523, 2.2. refresh_token is RFC 6749, 6, and
authorization_code is 4.1, with PKCE (RFC 7636)::

    auth: {type: oauth2, grant: jwt_bearer, service_account: "${file:/run/secrets/google.json}",
           scope: https://www.googleapis.com/auth/spreadsheets}
"""

from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from marshmallow import ValidationError, post_load, validate, validates_schema

from gateway.bodies import FORM_TYPE, dump_json
from gateway.http_messages import HttpRequest
from gateway.masking import STARS, Secret
from gateway.signers.base import Auth, AuthSettings, Send, Signer, plain
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS
from gateway.signers.token_auth.assertions import ALGORITHMS, check_certificate, check_private_key
from gateway.signers.token_auth.grants import GRANTS, Form, client_assertion, read_grant
from gateway.signers.token_auth.request import PATH_OR_URL, split_url
from gateway.signers.tokens.connection_store import Grant
from schemas.catalog.fields import MESSAGES, NamedMap, flag, one_of, text

BROWSER_URL = r"https?://[A-Za-z0-9._:\[\]-]+(/[!\x22$-~]*)?\Z"
#: By grant, the keys that it cannot do without.
REQUIRED_KEYS: Mapping[str, tuple[str, ...]] = {
    "client_credentials": ("client_id", "token_url"),
    "password": ("username", "password", "token_url"),
    "jwt_bearer": ("issuer", "private_key", "token_url"),
    "refresh_token": ("refresh_token", "token_url"),
    "authorization_code": ("authorization_url", "client_id", "token_url"),
}
#: By key, the one grant that it is for.
GRANT_OF_KEY: Mapping[str, str] = {
    "refresh_token": "refresh_token",
    "authorization_url": "authorization_code",
    "authorization_extra": "authorization_code",
    "pkce": "authorization_code",
}
#: Parameters of an authorization URL that are not the catalog's to say.
OWN_PARAMETERS = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge",
    "code_challenge_method",
)  # fmt: skip
#: Those of one account, at one host, whose refresh tokens are kept in the database.
CONNECTED_GRANTS = frozenset({"refresh_token", "authorization_code"})


def _token_url(**options: Any) -> Any:
    error = "must be a path, or a URL without query"
    return text(validate=validate.Regexp(PATH_OR_URL, error=error), public=True, **options)


class OAuth2(Signer):
    """Sends a Bearer token that it fetches from the service, or from a URL on any host."""

    class Settings(AuthSettings):
        grant = text(validate=one_of(*REQUIRED_KEYS), public=True)
        client_id = text(public=True)
        client_secret = text()
        client_auth = text(validate=one_of("basic", "body", "private_key_jwt", "none"), public=True)
        token_url = _token_url()
        refresh_url = _token_url()
        body_format = text(validate=one_of("form", "json"), public=True)
        scope = text(public=True)
        audience = text(public=True)
        extra = NamedMap(text())
        username = text(public=True)
        password = text()
        service_account = text()
        issuer = text(public=True)
        sub = text(public=True)
        private_key = text()
        certificate = text(public=True)
        key_id = text(public=True)
        algorithm = text(validate=one_of(*ALGORITHMS), public=True)
        refresh_token = text()
        authorization_url = text(
            validate=validate.Regexp(
                BROWSER_URL, error="must be the whole URL that a browser opens, without #"
            ),
            public=True,
        )
        authorization_extra = NamedMap(text())
        pkce = flag()

        @validates_schema
        def check_grant(self, data: Mapping[str, Any], **kwargs: Any) -> None:
            data = _with_service_account(data)
            grant = data.get("grant", "client_credentials")
            required = {*REQUIRED_KEYS[grant], *_client_keys(data, grant)}
            missing = {key: [MESSAGES["required"]] for key in sorted(required - data.keys())}
            if missing:
                raise ValidationError(missing)
            for key in sorted(GRANT_OF_KEY.keys() & data.keys()):
                if grant != GRANT_OF_KEY[key]:
                    raise ValidationError(f"only with grant: {GRANT_OF_KEY[key]}", key)
            for name in data.get("authorization_extra", {}):
                if name in OWN_PARAMETERS:
                    problem = {name: ["is set by Postern itself; leave it out"]}
                    raise ValidationError(problem, "authorization_extra")
            if "refresh_url" in data and grant not in CONNECTED_GRANTS:
                grants = " and ".join(sorted(CONNECTED_GRANTS))
                raise ValidationError(f"is for the grants {grants}", "refresh_url")
            if "certificate" in data:
                check_certificate(data)
            if "private_key" in data:
                check_private_key(data["private_key"], data.get("algorithm", ALGORITHMS[0]))

        @post_load
        def fill_service_account(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
            return _with_service_account(data)

        @classmethod
        def token_urls(cls, settings: Auth) -> tuple[str, ...]:
            urls = [plain(settings[key]) for key in ("token_url", "refresh_url") if key in settings]
            return tuple(url for url in urls if not url.startswith("/"))

    proof_header = "Authorization"
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
        self._token_place = split_url(plain(auth["token_url"]), base_url)
        refresh_url = plain(auth.get("refresh_url", auth["token_url"]))
        self._refresh_place = split_url(refresh_url, base_url)
        self._auth = auth
        self.keeps_refresh_token = grant in CONNECTED_GRANTS
        # A connected account's scope was asked for in the browser.
        names = ("audience",) if grant == "authorization_code" else ("scope", "audience")
        form = {name: plain(auth[name]) for name in names if name in auth}
        self._form = form | {name: plain(value) for name, value in auth.get("extra", {}).items()}
        self._as_json = auth.get("body_format") == "json"
        self._headers = {
            "Content-Type": "application/json" if self._as_json else FORM_TYPE,
            "Accept": "application/json",
            "User-Agent": "postern",
        }
        self._grant = GRANTS[grant](auth, "".join(self._token_place))
        self._client_assertion: Callable[[float], Form] | None = None
        self._add_client(auth, _client_auth(auth, grant))

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", "Bearer " + token.reveal())

    def fetch_token(self, send: Send, now: float) -> tuple[Secret, float]:
        grant = self._request_token(send, now, self._grant(now), self._token_place)
        return grant.access_token, DEFAULT_LIFE_SECONDS if grant.life is None else grant.life

    def refresh(self, send: Send, now: float, refresh_token: Secret) -> Grant:
        form = self._grant(now) | {"refresh_token": refresh_token.reveal()}
        return self._request_token(send, now, form, self._refresh_place)

    def authorization_url(self, redirect_uri: str, state: str, verifier: Secret) -> str:
        """Return the URL at which a person lets us use its account (RFC 6749, 4.1.1).

        :param verifier: of PKCE; the URL has its hash.
        """
        auth = self._auth
        pairs = {"response_type": "code", "client_id": plain(auth["client_id"])}
        pairs["redirect_uri"] = redirect_uri
        if "scope" in auth:
            pairs["scope"] = plain(auth["scope"])
        pairs["state"] = state
        if auth.get("pkce", True):
            hashed = sha256(verifier.reveal().encode()).digest()
            pairs["code_challenge"] = urlsafe_b64encode(hashed).rstrip(b"=").decode()
            pairs["code_challenge_method"] = "S256"
        extra = auth.get("authorization_extra", {})
        pairs |= {name: plain(value) for name, value in extra.items()}
        url = plain(auth["authorization_url"])
        return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs, quote_via=quote)}"

    def exchange_code(
        self, send: Send, now: float, code: Secret, redirect_uri: str, verifier: Secret
    ) -> Grant:
        """Return what an authorization code brings (RFC 6749, 4.1.3).

        :raises GrantRefused: nothing.
        """
        form = {"grant_type": "authorization_code", "code": code.reveal()}
        form["redirect_uri"] = redirect_uri
        if self._auth.get("pkce", True):
            form["code_verifier"] = verifier.reveal()
        return self._request_token(send, now, form, self._token_place)

    def _request_token(self, send: Send, now: float, form: Form, place: tuple[str, str]) -> Grant:
        """:param place: host and path."""
        form = form | self._form
        if self._client_assertion:
            form |= self._client_assertion(now)
        body = dump_json(form) if self._as_json else urlencode(form, quote_via=quote).encode()
        return read_grant(send(HttpRequest("POST", *place, (), self._headers, body)))

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
            self._client_assertion = client_assertion(auth, "".join(self._token_place))
        elif client_id:
            self._form["client_id"] = client_id


class OAuth2ClientCredentials(OAuth2):
    """``OAuth2`` with ``grant: client_credentials`` alone."""

    class Settings(OAuth2.Settings):
        client_id = text(required=True, public=True)
        client_secret = text(required=True)
        token_url = _token_url(required=True)
        client_auth = text(validate=one_of("basic", "body"), public=True)

        class Meta(OAuth2.Settings.Meta):
            exclude = (
                "grant", "username", "password", "service_account", "issuer", "sub",
                "private_key", "certificate", "key_id", "algorithm", "refresh_token",
                "authorization_url", "authorization_extra", "pkce", "refresh_url",
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
