"""What a token endpoint answers: the token, how long it lives, or why there is none."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl

from gateway.bodies import FORM_TYPE, load_json
from gateway.bodies.json import MISSING, find_value
from gateway.bodies.text import json_to_utf8
from gateway.errors import CredentialError, CredentialUnavailable
from gateway.http_messages import HttpResponse
from gateway.masking import Secret
from schemas.numbers import ExactNumber

MAX_LIFE_SECONDS = 365 * 86400  # a vendor's "forever" must still be a float
# Where the answer does not say: a token's life is seldom shorter, and a 401 renews at once.
DEFAULT_LIFE_SECONDS = 600.0
MAX_REASON_CHARACTERS = 200
#: Unix times from here on are milliseconds: in seconds this is the year 5138.
MIN_UNIX_MILLISECONDS = 1e11
WHOLE = "."
HEADER = "header:"
COOKIE = "cookie:"
#: Where vendors put their reason, the code and the words.
CODE_PLACES = ("error", "errcode", "code", "error_code", "error.code")
MESSAGE_PLACES = (
    "error_description", "errmsg", "msg", "message", "error.message", "error_msg", "detail",
)  # fmt: skip
MAX_TOKEN_CHARACTERS = 32_768  # Huawei Cloud's hold the user's roles: 8,000 and more
_TOKEN = re.compile(rf"[\x21-\x7e]{{1,{MAX_TOKEN_CHARACTERS}}}")
_NUMBER = re.compile(r"[0-9]{1,18}(\.[0-9]{1,9})?", re.ASCII)


class TokenAnswer:
    """One answer of a token endpoint, read by the places that a description names.

    One that is neither JSON nor a form is a text.

    :param ok: by place, the values of which one must stand there.
    :param message_place: where the endpoint's reason stands, if not where most have it.
    """

    def __init__(
        self,
        response: HttpResponse,
        ok: Mapping[str, Sequence[Any]] = MappingProxyType({}),
        message_place: str | None = None,
    ) -> None:
        self._response = response
        self._ok = ok
        self._message_places = (message_place,) if message_place else MESSAGE_PLACES
        self._problem = "no token in it"
        try:
            self._reply = _parse(response)
        except ValueError as error:
            self._problem = str(error)
            self._reply = response.body.decode("utf-8", "replace").strip()

    def find(self, place: str) -> Any:
        """Return what stands at a place; None where nothing does.

        A place is a dotted path, ``.`` for all of the body, ``header:NAME`` or ``cookie:NAME``.
        """
        if place == WHOLE:
            return self._reply
        if place.startswith(HEADER):
            return self._response.headers.get(place.removeprefix(HEADER).lower())
        if place.startswith(COOKIE):
            return self._cookie(place.removeprefix(COOKIE))
        value = find_value(self._reply, place.split("."))
        return None if value is MISSING else value

    def _cookie(self, name: str) -> str | None:
        """Return the value of a cookie, of one that is set twice the last (RFC 6265, 5.3)."""
        headers = self._response.headers.get("set-cookie", "")  # all of them are one
        values = re.findall(rf'(?:^|, *){re.escape(name)}="?([^;,"]*)', headers)
        return str(values[-1]) if values else None

    def check(self) -> None:
        """:raises CredentialError: the endpoint said no."""
        accepted = 200 <= self._response.status < 300 and all(
            _as_text(self.find(place)) in map(_as_text, values)
            for place, values in self._ok.items()
        )
        if not accepted:
            raise self.refusal()

    def text(self, place: str) -> str | None:
        """Return a text or number that can stand in a header line as it is."""
        value = self.find(place)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if isinstance(value, str) and _TOKEN.fullmatch(value):
            return value
        return None

    def token(self, place: str) -> Secret | None:
        if not isinstance(self.find(place), str):
            return None
        text = self.text(place)
        return None if text is None else Secret(text)

    def life(self, expires_in: str | None, expires_at: str | None, now: float) -> float | None:
        """Return the seconds for which the token lives; None where the answer does not say.

        :param expires_in: where the seconds stand.
        :param expires_at: where the end stands: Unix seconds or milliseconds, or ISO 8601.
        :param now: Unix seconds.
        """
        seconds = None
        if expires_in:
            seconds = _number(self.find(expires_in))
        elif expires_at:
            end = _unix_time(self.find(expires_at))
            seconds = None if end is None else end - now
        if seconds is None:
            return None
        return float(max(0, min(seconds, MAX_LIFE_SECONDS)))

    def refusal(self) -> CredentialError:
        """Return why there is no token, in the endpoint's code and words; for the log only."""
        code = self._first((*self._ok, *CODE_PLACES))
        message = self._first(self._message_places)
        reason = ", ".join(filter(None, (code and f"code {code}", message)))
        status = self._response.status
        detail = f"token answer: HTTP {status}, {reason or self._problem}"
        if status < 500 and status != 429:
            return CredentialError(detail=detail, vendor_code=code)
        wait = self._response.retry_after()
        error = CredentialUnavailable(detail=detail, vendor_code=code, retry_after=wait)
        error.status = status
        return error

    def _first(self, places: Sequence[str]) -> str | None:
        for place in places:
            value = self.find(place)
            if isinstance(value, str | int) and value != "":
                return str(value)[:MAX_REASON_CHARACTERS]
        return None


def _parse(response: HttpResponse) -> Any:
    content_type = response.headers.get("content-type", "")
    if content_type.startswith(FORM_TYPE):
        return dict(parse_qsl(response.body.decode("utf-8", "replace")))
    if not response.body.strip():
        return {}  # the token may stand in a header
    return load_json(json_to_utf8(response.body, content_type, None))


def _as_text(value: Any) -> str:
    """Return a code as the text it compares by: ``0`` and ``"0"`` are the same."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, int | float | ExactNumber):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _unix_time(value: Any) -> float | None:
    number = _number(value)
    if number is not None:
        return number / 1000 if number >= MIN_UNIX_MILLISECONDS else number
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()
