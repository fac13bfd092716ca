"""An access token fetched with app id and secret and sent in the query, as WeChat does.

Source: WeChat Official Accounts, "Get access token"
(developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_access_token.html).
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.call import HttpRequest, HttpResponse
from gateway.masking import Secret
from gateway.signers.fixed import plain
from gateway.signers.granted import granted

DEFAULT_LIFE = 7200.0  # seconds, WeChat's own, where the answer does not say


class AppSecret:
    """``app_id``, ``secret``, ``token_url`` (a path of the service, or a URL on its host)."""

    secrets: tuple[Secret, ...] = ()
    reads_body = reads_query = False

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
        return granted(response, DEFAULT_LIFE, "errcode")
