"""An access token fetched with app id and secret and sent in the query, as WeChat does.

Source: WeChat Official Accounts, "Get access token"
(developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_access_token.html).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.bodies import load_json
from gateway.call import HttpRequest, HttpResponse
from gateway.errors import CredentialError
from gateway.masking import Secret
from gateway.signers.fixed import plain

DEFAULT_LIFE = 7200.0  # seconds, WeChat's own, where the answer does not say

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
LONGEST_LIFE = 365 * 86400  # seconds; a vendor's "forever" must still be a float


class AppSecret:
    """``app_id``, ``secret``, ``token_url`` (a path of the service, or a URL on its host)."""

    secrets: tuple[Secret, ...] = ()
    reads_body = False

    def __init__(self, auth: Mapping[str, str | Secret], base_url: str) -> None:
        self._app_id, self._secret = plain(auth["app_id"]), plain(auth["secret"])
        self._base_url = base_url
        self._path = plain(auth["token_url"]).removeprefix(base_url)

    def sign(self, request: HttpRequest, token: Secret) -> HttpRequest:
        return request.with_query(("access_token", token.reveal()))

    def token_request(self) -> HttpRequest:
        query = (("grant_type", "client_credential"), ("appid", self._app_id), ("secret", self._secret))
        return HttpRequest("GET", self._base_url, self._path, query)

    def read_token(self, response: HttpResponse) -> tuple[Secret, float]:
        try:
            answer = load_json(response.body)
        except ValueError as error:
            raise CredentialError(detail=f"token answer: HTTP {response.status}, {error}") from error
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            code = answer.get("errcode") if isinstance(answer, dict) else None
            raise CredentialError(detail=f"token answer: HTTP {response.status}, errcode {str(code)[:80]}")
        seconds = answer.get("expires_in")
        known = isinstance(seconds, int | float)
        return Secret(token), float(max(0, min(seconds, LONGEST_LIFE))) if known else DEFAULT_LIFE
