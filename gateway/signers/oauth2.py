"""Tokens that are fetched with an id and a secret: OAuth 2.0 client credentials, and one like it.

OAuth 2.0 is RFC 6749, 4.4; the token is sent as Bearer (RFC 6750). ``AppSecret`` sends both the
secret and the token in the query, as WeChat wants it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import ClassVar
from urllib.parse import quote, urlencode, urlsplit

from marshmallow import ValidationError, validate

from gateway.bodies import load_json
from gateway.errors import CredentialError
from gateway.masking import Secret
from gateway.messages import HttpRequest, HttpResponse
from gateway.signers.base import Auth, AuthSettings, Signer, plain
from schemas.catalog_fields import NamedMap, one_of, text

MAX_LIFE_SECONDS = 365 * 86400  # a vendor's "forever" must still be a float
# Where the answer does not say: a token's life is seldom shorter, and a 401 renews at once.
DEFAULT_LIFE_SECONDS = 600.0
WECHAT_LIFE_SECONDS = 7200.0  # WeChat's own, where the answer does not say
ENDPOINT_URL = r"(https?://[A-Za-z0-9._:\[\]-]+)?/[!\x22$->@-~]*\Z"
_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_SECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)


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
        host, path = _split_url(plain(auth["token_url"]), base_url)
        body = urlencode(form, quote_via=quote).encode()
        self._token_request = HttpRequest("POST", host, path, (), headers, body)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", "Bearer " + token.reveal())

    def token_request(self) -> HttpRequest:
        return self._token_request

    def read_token(self, response: HttpResponse) -> tuple[Secret, float]:
        return read_grant(response, DEFAULT_LIFE_SECONDS, "error")


class AppSecret(Signer):
    """Sends a token in the query, and fetches it from the service with the secret in the query."""

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
    fetches_token = True
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._app_id = plain(auth["app_id"])
        self._secret = plain(auth["secret"])
        self._base_url = base_url
        self._path = plain(auth["token_url"]).removeprefix(base_url)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_query(("access_token", token.reveal()))

    def token_request(self) -> HttpRequest:
        query = (
            ("grant_type", "client_credential"),
            ("appid", self._app_id),
            ("secret", self._secret),
        )
        return HttpRequest("GET", self._base_url, self._path, query)

    def read_token(self, response: HttpResponse) -> tuple[Secret, float]:
        return read_grant(response, WECHAT_LIFE_SECONDS, "errcode")


def read_grant(
    response: HttpResponse, default_life: float, error_member: str
) -> tuple[Secret, float]:
    """Return the token of an endpoint's answer (RFC 6749, 5.1), and the seconds it lives.

    :param default_life: seconds, where the answer does not say.
    :param error_member: the name under which the answer says why it has no token.
    :raises CredentialError: it has none, or none that can be sent as it is.
    """
    try:
        answer = load_json(response.body)
    except ValueError as error:
        raise CredentialError(detail=f"token answer: HTTP {response.status}, {error}") from error
    members = answer if isinstance(answer, dict) else {}
    token = members.get("access_token")
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        reason = str(members.get(error_member))
        raise CredentialError(
            detail=f"token answer: HTTP {response.status}, {error_member} {reason[:80]}"
        )
    token_type = str(members.get("token_type", "bearer"))
    if token_type.lower() != "bearer":
        raise CredentialError(
            detail=f"token answer: token_type {token_type[:80]}, which is not sent as a bearer's"
        )
    life = members.get("expires_in")
    if isinstance(life, str) and _SECONDS.fullmatch(life):  # Microsoft's v1 endpoint
        life = int(life)
    if not isinstance(life, int | float):
        return Secret(token), default_life
    return Secret(token), float(max(0, min(life, MAX_LIFE_SECONDS)))


def _split_url(url: str, base_url: str) -> tuple[str, str]:
    """Return the base URL and the path of a token's URL, which may be a path of the service."""
    parts = urlsplit(url)
    if not parts.scheme:
        return base_url, url
    return f"{parts.scheme}://{parts.netloc}", parts.path
