"""Envelopes described by data: where a code stands, what codes mean, and where the data is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from gateway.bodies import Reader
from gateway.bodies.json import MISSING, find_value
from gateway.envelopes.places import find_text, lookup, split_places
from gateway.envelopes.plain import read_body, status_error
from gateway.errors import (
    VENDOR_ERRORS,
    BadResponse,
    Failed,
    GatewayError,
    QuotaExceeded,
    Rejected,
    VendorCircuitOpen,
    VendorTimeout,
    VendorUnhealthy,
    VendorUnreachable,
)
from gateway.http_messages import HttpResponse

MAX_CODE_CHARACTERS = 80
_NO_CONTENT = (204, 205)  # answers without a body, whatever the vendor's format
#: What a code inside a 5xx may mean beside that the service failed.
_FAILING = frozenset(
    {QuotaExceeded, VendorTimeout, VendorUnreachable, VendorCircuitOpen, VendorUnhealthy}
)


class DescribedEnvelope:
    """``{code, ok, message, data, errors, messages, retry_after}``, as in docs/catalog.md.

    A place is a dotted path into the reply or ``header:NAME``. All codes that are there must be
    among ``ok``; the first that is not says what is wrong, and the first that ``errors`` names what
    kind of failure that is.

    :cvar code_decides_5xx: a code says what a 5xx means, too: not always that the service failed.
    """

    code_decides_5xx = False

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._codes = split_places(description.get("code", ()))
        self._messages = split_places(description.get("message", ()))
        ok = description["ok"]
        self._status_counts = ok == "http"
        self._good = frozenset[str | None](() if self._status_counts else map(_code_text, ok))
        self.data_path = description["data"].split(".") if "data" in description else None
        self._by_code = ErrorMap(description.get("errors", {}))
        self._by_message = ErrorMap(description.get("messages", {}), re.I)
        self._retry_after = description.get("retry_after", "retry-after")
        self._wrapping = {path[0] for path in (*self._codes, *self._messages)}

    def __call__(self, response: HttpResponse, read: Reader) -> Any:
        """:raises GatewayError: what the vendor's code or, without one, the HTTP status means."""
        if not 200 <= response.status < 300:
            raise self._status_error(response, read)
        reply = read_body(response, read)
        if not self._status_counts:
            self._check_code(response, reply, read)
        if reply is None and response.status in _NO_CONTENT:
            return None
        return self.data_of(reply) if read.structured else reply

    def _status_error(self, response: HttpResponse, read: Reader) -> GatewayError:
        reply = read.read_error(response.body, _content_type(response))
        code = self._code(response, reply)
        if code in self._good:
            code = None
        return self._error(response, reply, code)

    def _check_code(self, response: HttpResponse, reply: Any, read: Reader) -> None:
        if not read.structured:
            reply = read.read_error(response.body, _content_type(response))
        code = self._code(response, reply)
        if code in self._good:
            return
        if code is not None:
            raise self._error(response, reply, code)
        is_empty = reply is None and response.status in _NO_CONTENT
        if read.structured and not is_empty:
            raise BadResponse(detail=f"no {' or '.join(map('.'.join, self._codes))} in the reply")

    def _code(self, response: HttpResponse, reply: Any) -> str | None:
        """Return the first code that is not good, else one that is, else None."""
        good_code = None
        for place in self._codes:
            code = self.code_text(lookup(response, reply, place))
            if code in self._good:
                good_code = code
            elif code is not None:
                return code
        return good_code

    def code_text(self, code: object) -> str | None:
        """Return a code as the text it compares by; None where there is none."""
        return _code_text(code)

    def _kind(self, response: HttpResponse, reply: Any, message: str) -> type[GatewayError] | None:
        """Return what the first code that ``errors`` names means, else the message or status."""
        for place in self._codes:
            code = self.code_text(lookup(response, reply, place))
            if code is not None and code not in self._good:
                kind = self._by_code.get(code)
                if kind:
                    return kind
        return self._by_message.get(message) or self._by_code.get(f"HTTP {response.status}")

    def _error(self, response: HttpResponse, reply: Any, code: str | None) -> GatewayError:
        """Return what the code means, else the message, else the status."""
        status = response.status
        message = find_text(response, reply, self._messages)
        kind = self._kind(response, reply, message)
        code_decides = status >= 500 and code is not None and self.code_decides_5xx
        if status >= 500 and kind not in _FAILING and not code_decides:
            kind = None  # a service that failed may be asked again, whatever code it gives
        wait = self._wait(response)
        detail = f"HTTP {status}, vendor code {code}: {message or 'no message'}"
        if kind is None and _status_decides(status, code) and not code_decides:
            error = status_error(response, wait, detail)
            error.vendor_code = code or error.vendor_code
        else:
            error = (kind or Rejected)(
                vendor_code=code or str(status), retry_after=wait, detail=detail
            )
        if isinstance(error, Failed) and status >= 500:
            error.status = status
        error.vendor_message = message or None
        return error

    def _wait(self, response: HttpResponse) -> float | None:
        """Return the seconds that the standard header says, else the vendor's own."""
        if "retry-after" in response.headers:
            return response.retry_after()
        return response.retry_after(self._retry_after)

    def data_of(self, reply: Any) -> Any:
        if self.data_path is not None:
            data = find_value(reply, self.data_path)
            if data is MISSING:
                raise BadResponse(detail=f"no {'.'.join(self.data_path)} in the reply")
            return data
        if self._status_counts:
            return reply
        if not isinstance(reply, dict):
            raise BadResponse(detail="the reply is not an object")
        return {key: value for key, value in reply.items() if key not in self._wrapping}


def _status_decides(status: int, code: str | None) -> bool:
    """Return whether the status says what a code without a meaning does not."""
    if 200 <= status < 300:
        return False
    return code is None or status in (401, 429) or status >= 500


class ErrorMap:
    """What codes or messages mean; ``*`` in a key stands for anything."""

    def __init__(self, declared: Mapping[str, str], flags: int = 0) -> None:
        self._exact = {key: VENDOR_ERRORS[kind] for key, kind in declared.items() if "*" not in key}
        self._patterns = [
            (_pattern(key, flags), VENDOR_ERRORS[kind])
            for key, kind in declared.items()
            if "*" in key
        ]

    def get(self, text: str) -> type[GatewayError] | None:
        if text in self._exact:
            return self._exact[text]
        for pattern, kind in self._patterns:
            if pattern.fullmatch(text):
                return kind
        return None


def _pattern(key: str, flags: int) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, key.split("*"))), flags | re.DOTALL)


def _code_text(code: object) -> str | None:
    """Return a code as the text it compares by, ``0`` as ``"0"``; None where there is none."""
    if code is MISSING or code is None or code == "":
        return None
    if isinstance(code, dict | list):
        return "object"  # something is there; what, might be the vendor's words
    if isinstance(code, bool):
        return str(code).lower()
    return str(code)[:MAX_CODE_CHARACTERS]


def _content_type(response: HttpResponse) -> str:
    return response.headers.get("content-type", "")
