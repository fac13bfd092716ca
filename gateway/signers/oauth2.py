"""OAuth 2.0 client credentials (RFC 6749, 4.4): a token fetched with id and secret, sent as Bearer (RFC 6750)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from gateway.call import HttpRequest, HttpResponse
from gateway.masking import Secret
from gateway.signers.fixed import plain
from gateway.signers.granted import granted

DEFAULT_LIFE = 600.0  # seconds, where the answer does not say: it is seldom shorter, and a 401 renews at once


class OAuth2ClientCredentials:
    """``client_id``, ``client_secret``, ``token_url`` (a path of the service, or a URL on any host), ``client_auth``
    (``basic`` unless ``body``), ``scope``, ``audience``, ``extra`` (more pairs for the token request)."""

    reads_body = reads_query = False

    def __init__(self, auth: Mapping[str, Any], base_url: str) -> None:
        client = {"client_id": plain(auth["client_id"]), "client_secret": plain(auth["client_secret"])}
        asked = {name: plain(auth[name]) for name in ("scope", "audience") if name in auth}
        extra = {name: plain(value) for name, value in auth.get("extra", {}).items()}
        form = {"grant_type": "client_credentials", **asked, **extra}
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
            "User-Agent": "postern",
        }
        self.secrets: tuple[Secret, ...] = ()
        if auth.get("client_auth") == "body":
            form |= client
        else:  # both form-encoded before they are joined (2.3.1)
            coded = b64encode(":".join(quote(each, safe="") for each in client.values()).encode()).decode()
            self.secrets = (Secret(coded),)
            headers["Authorization"] = "Basic " + coded
        host, path = _split(plain(auth["token_url"]), base_url)
        self._request = HttpRequest("POST", host, path, (), headers, urlencode(form, quote_via=quote).encode())

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_header("Authorization", "Bearer " + token.reveal())

    def token_request(self) -> HttpRequest:
        return self._request

    def read_token(self, response: HttpResponse) -> tuple[Secret, float]:
        return granted(response, DEFAULT_LIFE, "error")


def _split(url: str, base_url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return (f"{parts.scheme}://{parts.netloc}", parts.path) if parts.scheme else (base_url, url)
