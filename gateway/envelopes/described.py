"""``plain``: the HTTP status decides, the body is the data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.bodies import Reader
from gateway.errors import (
    VENDOR_ERRORS,
    BadResponse,
    CredentialExpired,
    Failed,
    GatewayError,
    QuotaExceeded,
    Rejected,
    VendorCircuitOpen,
    VendorTimeout,
    VendorUnhealthy,
    VendorUnreachable,
)
from gateway.messages import HttpResponse

# plain: ``plain``: the HTTP status decides, the body is the data.

MAX_RETRY_AFTER_SECONDS = 86400.0  # seconds


class PlainEnvelope:
    def __call__(self, response: HttpResponse, read: Reader) -> Any:
        """:raises GatewayError: what a status other than 2xx stands for, or ``BadResponse``."""
        if not 200 <= response.status < 300:
            raise status_error(response)
        return read_body(response, read)


def read_body(response: HttpResponse, read: Reader) -> Any:
    """The body as declared.

    :raises BadResponse: it is something else.
    """
    kind = response.headers.get("content-type", "")
    try:
        return read(response.body, kind)
    except ValueError as error:
        said = f"HTTP {response.status}, {kind[:80] or 'no content type'}: {error}"
        raise BadResponse(detail=said) from error


def status_error(
    response: HttpResponse, wait: float | None = None, detail: str | None = None
) -> GatewayError:
    """What an HTTP status other than 2xx means.

    401 is about our credential; one that was fetched is renewed and the call sent once more.

    :param wait: seconds after which to ask again; those of ``Retry-After`` unless given.
    :param detail: for the log; the status unless given.
    """
    status, detail = response.status, detail or f"HTTP {response.status}"
    wait = retry_after(response) if wait is None else wait
    if status >= 500:
        return Failed(status=status, retry_after=wait, detail=detail)
    if status == 429:
        return QuotaExceeded(retry_after=wait, detail=detail)
    if status == 401:
        return CredentialExpired(detail=detail)
    if status >= 400:
        return Rejected(vendor_code=str(status), detail=detail)
    return BadResponse(detail=f"{detail}; redirects are not followed")


def retry_after(response: HttpResponse, header: str = "retry-after") -> float | None:
    """Seconds from ``Retry-After``, a number or a date (RFC 9110, 10.2.3); a day at most.

    A date is the service's, and so is the clock it is measured by, where the answer has a ``Date``.

    :param header: one of the vendor's own that says so; a large number is Unix time.
    """
    value = response.headers.get(header, "").strip()
    if value.isdecimal() and len(value) < 10:
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    instant = float(value) if value.isdecimal() and len(value) == 10 else _unix_time(value)
    if instant is None:
        return None
    now = _unix_time(response.headers.get("date", ""))
    if now is None:
        now = datetime.now(UTC).timestamp()
    return min(max(0.0, instant - now), MAX_RETRY_AFTER_SECONDS)


def _unix_time(text: str) -> float | None:
    """The Unix time (seconds) of an HTTP date; None if it is none."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


# described: An envelope described by data: where the code stands, which codes are good, what others mean, where the
# data is.

MAX_MESSAGE_CHARACTERS = (
    2000  # characters of a vendor's message; the log cuts it shorter, once it is masked
)
MAX_CODE_CHARACTERS = 80  # characters of a vendor's code
_ABSENT = object()
_HEADER = "header:"
#: What a code inside a 5xx may mean beside that the service failed.
_FAILING = frozenset(
    {QuotaExceeded, VendorTimeout, VendorUnreachable, VendorCircuitOpen, VendorUnhealthy}
)


class DescribedEnvelope:
    """``{code, ok, message, data, errors, messages, retry_after}``, as docs/catalog.md explains them.

    ``code`` and ``message`` are one place or several, a place being a dotted path into the reply or
    ``header:NAME``. All codes that are there must be among ``ok``; the first that is not says what is wrong.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._codes = _places(description.get("code", ()))
        ok = description["ok"]
        self._ok = None if ok == "http" else frozenset(_code_text(code) for code in ok)
        self._said = _places(description.get("message", ()))
        self._data = description["data"].split(".") if "data" in description else None
        self._errors = _Kinds(description.get("errors", {}))
        self._messages = _Kinds(description.get("messages", {}), re.I)
        self._retry_after = description.get("retry_after", "retry-after")
        self._wrapping = {path[0] for path in (*self._codes, *self._said) if self._ok is not None}

    def __call__(self, response: HttpResponse, read: Reader) -> Any:
        """:raises GatewayError: what the vendor's code or, where there is none, the HTTP status stands for."""
        if not 200 <= response.status < 300:
            reply = read.read_error(response.body, _content_type(response))
            code = self._code(response, reply)
            raise self._failure(response, reply, None if code in (self._ok or ()) else code)
        reply = read_body(response, read)
        if self._ok is None:
            return self._data_of(reply) if read.structured else reply
        fields = (
            reply if read.structured else read.read_error(response.body, _content_type(response))
        )
        code = self._code(response, fields)
        if code in self._ok or (code is None and not read.structured):
            return self._data_of(reply) if read.structured else reply
        if code is None:
            raise BadResponse(detail=f"no {' or '.join(map('.'.join, self._codes))} in the reply")
        raise self._failure(response, fields, code)

    def _code(self, response: HttpResponse, reply: Any) -> str | None:
        """The first that is not good, else one that is, else None."""
        found = None
        for place in self._codes:
            code = _code_text(_at(response, reply, place))
            if code is not None and code not in (self._ok or ()):
                return code
            found = found or code
        return found

    def _failure(self, response: HttpResponse, reply: Any, code: str | None) -> GatewayError:
        """What the code means, else the message, else the status."""
        status = response.status
        texts = (_at(response, reply, place) for place in self._said)
        said = str(next((each for each in texts if each not in (_ABSENT, None, "")), "no message"))[
            :MAX_MESSAGE_CHARACTERS
        ]
        kind = (
            self._errors.of(code or "")
            or self._messages.of(said)
            or self._errors.of(f"HTTP {status}")
        )
        if status >= 500 and kind not in _FAILING:
            kind = None  # a service that failed may be asked again, whatever code it gives
        wait = (
            retry_after(response)
            if "retry-after" in response.headers
            else retry_after(response, self._retry_after)
        )
        detail = f"HTTP {status}, vendor code {code}: {said}"
        if (
            kind is None
            and not 200 <= status < 300
            and (code is None or status in (401, 429) or status >= 500)
        ):
            error = status_error(response, wait, detail)
            error.vendor_code = code or error.vendor_code
            return error
        failure = (kind or Rejected)(
            vendor_code=code or str(status), retry_after=wait, detail=detail
        )
        if isinstance(failure, Failed) and status >= 500:
            failure.status = status
        return failure

    def _data_of(self, reply: Any) -> Any:
        if self._data is not None:
            data = _follow(reply, self._data)
            if data is _ABSENT:
                raise BadResponse(detail=f"no {'.'.join(self._data)} in the reply")
            return data
        if self._ok is None:
            return reply
        if not isinstance(reply, dict):
            raise BadResponse(detail="the reply is not an object")
        return {key: value for key, value in reply.items() if key not in self._wrapping}


class _Kinds:
    """Codes or messages -> what they mean; ``*`` in a key stands for anything."""

    def __init__(self, declared: Mapping[str, str], flags: int = 0) -> None:
        self._exact = {key: VENDOR_ERRORS[kind] for key, kind in declared.items() if "*" not in key}
        self._patterns = [
            (
                re.compile(".*".join(map(re.escape, key.split("*"))), flags | re.DOTALL),
                VENDOR_ERRORS[kind],
            )
            for key, kind in declared.items()
            if "*" in key
        ]

    def of(self, text: str) -> type[GatewayError] | None:
        if text in self._exact:
            return self._exact[text]
        return next((kind for pattern, kind in self._patterns if pattern.fullmatch(text)), None)


def _places(declared: str | list[str]) -> tuple[list[str], ...]:
    """Each as a path; ``header:NAME`` is one step."""
    each = [declared] if isinstance(declared, str) else declared
    return tuple(
        [place.lower()] if place.startswith(_HEADER) else place.split(".") for place in each
    )


def _at(response: HttpResponse, reply: Any, place: list[str]) -> Any:
    if place[0].startswith(_HEADER):
        return response.headers.get(place[0].removeprefix(_HEADER))
    return _follow(reply, place)


def _follow(value: Any, path: list[str]) -> Any:
    """What stands there; a number is a place in a list."""
    for key in path:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
            value = value[int(key)]
        else:
            return _ABSENT
    return value


def _code_text(code: object) -> str | None:
    """Codes compare as text: ``0`` and ``"0"`` are the same; absent, null and empty are None."""
    if code is _ABSENT or code is None or code == "":
        return None
    if isinstance(code, dict | list):
        return "object"  # something is there; what, might be the vendor's words
    return str(code).lower() if isinstance(code, bool) else str(code)[:MAX_CODE_CHARACTERS]


def _content_type(response: HttpResponse) -> str:
    return response.headers.get("content-type", "")
