"""OAuth 2.0 client credentials (RFC 6749, 4.4): a token fetched with id and secret, sent as Bearer (RFC 6750)."""

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

# granted: What a token endpoint answers: an access token and how long it lives (RFC 6749, 5.1; WeChat's is alike).

LONGEST_LIFE = 365 * 86400  # seconds; a vendor's "forever" must still be a float

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_SECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)


def granted(response: HttpResponse, life: float, code: str) -> tuple[Secret, float]:
    """The token and the seconds it lives.

    :param life: seconds, where the answer does not say.
    :param code: where the answer says why it has no token.
    :raises CredentialError: it has none, or none that can be sent as it is.
    """
    try:
        answer = load_json(response.body)
    except ValueError as error:
        raise CredentialError(detail=f"token answer: HTTP {response.status}, {error}") from error
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        why = answer.get(code) if isinstance(answer, dict) else None
        raise CredentialError(
            detail=f"token answer: HTTP {response.status}, {code} {str(why)[:80]}"
        )
    kind = str(answer.get("token_type", "bearer"))
    if kind.lower() != "bearer":
        raise CredentialError(
            detail=f"token answer: token_type {kind[:80]}, which is not sent as a bearer's"
        )
    seconds = answer.get("expires_in")
    if isinstance(seconds, str) and _SECONDS.fullmatch(seconds):  # Microsoft's v1 endpoint
        seconds = int(seconds)
    known = isinstance(seconds, int | float)
    return Secret(token), float(max(0, min(seconds, LONGEST_LIFE))) if known else life


# oauth2: OAuth 2.0 client credentials (RFC 6749, 4.4): a token fetched with id and secret, sent as Bearer (RFC 6750).

DEFAULT_LIFE = (
    600.0  # seconds, where the answer does not say: it is seldom shorter, and a 401 renews at once
)


ENDPOINT_URL = r"(https?://[A-Za-z0-9._:\[\]-]+)?/[!\x22$->@-~]*\Z"


class OAuth2ClientCredentials(Signer):
    """Sends a Bearer token that it fetches from a path of the service, or from a URL on any host."""

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
        client = {
            "client_id": plain(auth["client_id"]),
            "client_secret": plain(auth["client_secret"]),
        }
        asked = {name: plain(auth[name]) for name in ("scope", "audience") if name in auth}
        extra = {name: plain(value) for name, value in auth.get("extra", {}).items()}
        form = {"grant_type": "client_credentials", **asked, **extra}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": "postern",
        }
        if auth.get("client_auth") == "body":
            form |= client
        else:  # both form-encoded before they are joined (2.3.1)
            coded = b64encode(
                ":".join(quote(each, safe="") for each in client.values()).encode()
            ).decode()
            self.secrets = (Secret(coded),)
            headers["Authorization"] = "Basic " + coded
        host, path = _split(plain(auth["token_url"]), base_url)
        self._request = HttpRequest(
            "POST", host, path, (), headers, urlencode(form, quote_via=quote).encode()
        )

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", "Bearer " + token.reveal())

    def token_request(self) -> HttpRequest:
        return self._request

    def read_token(self, response: HttpResponse) -> tuple[Secret, float]:
        return granted(response, DEFAULT_LIFE, "error")


def _split(url: str, base_url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return (f"{parts.scheme}://{parts.netloc}", parts.path) if parts.scheme else (base_url, url)


# app_secret: An access token fetched with app id and secret and sent in the query, as WeChat does.

WECHAT_LIFE = 7200.0  # seconds, WeChat's own, where the answer does not say


class AppSecret(Signer):
    """Sends a token in the query that it fetches with an id and a secret in the query, from the service itself."""

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

        def bind(self, settings: Auth, base_url: str) -> Auth:
            """Return them with the token's path: at the backup URL it is the same."""
            path = settings["token_url"].removeprefix(base_url.rstrip("/"))
            if not path.startswith("/"):
                problem = f"must be a path, or a URL under {base_url}"
                raise ValidationError({"token_url": [problem]})
            return {**settings, "token_url": path}

    example: ClassVar[Auth] = {"app_id": "app", "secret": "${SECRET}", "token_url": "/t"}
    fetches_token = True
    reads_body = reads_query = False

    def __init__(self, auth: Auth, base_url: str) -> None:
        self._app_id, self._secret = plain(auth["app_id"]), plain(auth["secret"])
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
        return granted(response, WECHAT_LIFE, "errcode")
