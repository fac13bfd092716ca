"""Tokens that are fetched with an id and a secret: OAuth 2.0 client credentials, and one like it.

OAuth 2.0 is RFC 6749, 4.4; the token is sent as Bearer (RFC 6750). ``AppSecret`` sends both the
secret and the token in the query, as WeChat wants it.
"""

from __future__ import annotations

from base64 import b64encode
from typing import ClassVar
from urllib.parse import quote, urlencode

from marshmallow import ValidationError, validate

from gateway.masking import Secret
from gateway.messages import HttpRequest, HttpResponse
from gateway.signers.base import Auth, AuthSettings, Send, Signer, plain
from gateway.signers.token_auth import TokenAuth
from gateway.signers.token_auth.answer import DEFAULT_LIFE_SECONDS, TokenAnswer
from gateway.signers.token_auth.presets import PRESETS
from gateway.signers.token_auth.request import split_url
from schemas.catalog_fields import NamedMap, one_of, text

ENDPOINT_URL = r"(https?://[A-Za-z0-9._:\[\]-]+)?/[!\x22$->@-~]*\Z"


class OAuth2ClientCredentials(Signer):
    """Sends a Bearer token that it fetches from the service, or from a URL on any host."""

    class Settings(AuthSettings):
        client_id = text(required=True, public=True)
        client_secret = text(required=True)
        token_url = text(
            required=True,
            validate=validate.Regexp(ENDPOINT_URL, error="must be a path, or a URL without query"),
            public=True,
        )
        client_auth = text(validate=one_of("basic", "body"), public=True)
        scope = text(public=True)
        audience = text(public=True)
        extra = NamedMap(text())

        @classmethod
        def token_urls(cls, settings: Auth) -> tuple[str, ...]:
            url = plain(settings["token_url"])
            return () if url.startswith("/") else (url,)

    example: ClassVar[Auth] = {
        "client_id": "app",
        "client_secret": "${SECRET}",
        "token_url": "/t",
        "extra": {"more": "${OTHER}"},
    }
    fetches_token = True
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        client_id = plain(auth["client_id"])
        client_secret = plain(auth["client_secret"])
        form = {"grant_type": "client_credentials"}
        form |= {name: plain(auth[name]) for name in ("scope", "audience") if name in auth}
        form |= {name: plain(value) for name, value in auth.get("extra", {}).items()}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": "postern",
        }
        if auth.get("client_auth") == "body":
            form |= {"client_id": client_id, "client_secret": client_secret}
        else:  # both are form-encoded before they are joined (2.3.1)
            pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
            encoded = b64encode(pair.encode()).decode()
            self.secrets = (Secret(encoded),)
            headers["Authorization"] = "Basic " + encoded
        host, path = split_url(plain(auth["token_url"]), base_url)
        body = urlencode(form, quote_via=quote).encode()
        self._token_request = HttpRequest("POST", host, path, (), headers, body)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", "Bearer " + token.reveal())

    def fetch_token(self, send: Send, now: float) -> tuple[Secret, float]:
        return read_grant(send(self._token_request))


class AppSecret(TokenAuth):
    """WeChat's token, of the preset ``wechat``: secret and token both go in the query."""

    class Settings(AuthSettings):
        app_id = text(required=True, public=True)
        secret = text(required=True)
        token_url = text(
            required=True,
            validate=validate.Regexp(
                ENDPOINT_URL, error="must be a path such as /cgi-bin/token, or a URL under base_url"
            ),
            public=True,
        )

        @classmethod
        def bind(cls, settings: Auth, base_url: str) -> Auth:
            """Return the settings with the token's path, which is the same under the backup URL."""
            path = settings["token_url"].removeprefix(base_url.rstrip("/"))
            if not path.startswith("/"):
                problem = f"must be a path, or a URL under {base_url}"
                raise ValidationError({"token_url": [problem]})
            return {**settings, "token_url": path}

    example: ClassVar[Auth] = {"app_id": "app", "secret": "${SECRET}", "token_url": "/t"}

    def __init__(self, auth: Auth, base_url: str) -> None:
        preset = PRESETS["wechat"]
        path = plain(auth["token_url"])
        described = {
            **preset,
            "request": {**preset["request"], "http": f"GET {path}"},
            "values": {"app_id": auth["app_id"], "app_secret": auth["secret"]},
        }
        super().__init__(described, base_url)


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
