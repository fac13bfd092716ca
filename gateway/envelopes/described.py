"""An envelope described by data: where the code stands, which codes are good, where the data is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gateway.call import HttpResponse
from gateway.envelopes.plain import read_body, retry_after, status_error
from gateway.errors import VENDOR_ERRORS, BadResponse, Rejected

MOST_SAID = 2000  # characters of a vendor's message; the log cuts it shorter, once it is masked
_ABSENT = object()


class Described:
    """``{code, ok, message, data, errors}``; ``code``, ``message`` and ``data`` are dotted paths into the reply.

    ``ok`` lists the good codes; null among them means that the code may be absent. ``errors`` maps other codes to
    our error types; a code it does not name is ``downstream_rejected``.
    """

    def __init__(self, description: Mapping[str, Any]) -> None:
        self._code = description["code"].split(".")
        self._ok = frozenset(_text(code) for code in description["ok"])
        self._message = description.get("message", "").split(".")
        self._data = description["data"].split(".") if "data" in description else None
        self._errors = {code: VENDOR_ERRORS[kind] for code, kind in description.get("errors", {}).items()}
        self._wrapping = {self._code[0], self._message[0]}

    def __call__(self, response: HttpResponse, read: Callable[[bytes], Any]) -> Any:
        """:raises GatewayError: what the vendor's code or, where there is none, the HTTP status stands for."""
        good = 200 <= response.status < 300
        if response.status >= 500:
            raise status_error(response)
        try:
            reply = read_body(response, read)
        except BadResponse as error:
            raise error if good else status_error(response) from error
        code = _text(_at(reply, self._code))
        if code in self._ok and good:
            return self._data_of(reply)
        if code is None or code in self._ok:
            raise BadResponse(detail=f"no {'.'.join(self._code)} in the reply") if good else status_error(response)
        if code not in self._errors and response.status in (401, 429):
            raise status_error(response)
        kind = self._errors.get(code, Rejected)
        said = (_text(_at(reply, self._message)) or "no message")[:MOST_SAID]
        raise kind(vendor_code=code, retry_after=retry_after(response), detail=f"vendor code {code[:80]}: {said}")

    def _data_of(self, reply: Any) -> Any:
        if self._data is not None:
            data = _at(reply, self._data)
            if data is _ABSENT:
                raise BadResponse(detail=f"no {'.'.join(self._data)} in the reply")
            return data
        if not isinstance(reply, dict):
            raise BadResponse(detail="the reply is not an object")
        return {key: value for key, value in reply.items() if key not in self._wrapping}


def _at(value: Any, path: list[str]) -> Any:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return _ABSENT
        value = value[key]
    return value


def _text(code: object) -> str | None:
    """Codes compare as text: ``0`` and ``"0"`` are the same; absent and null are None."""
    if code is _ABSENT or code is None:
        return None
    return str(code).lower() if isinstance(code, bool) else str(code)
