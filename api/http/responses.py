"""The envelope of every JSON answer, and how it becomes bytes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import cache
from typing import Any

from flask import Response
from flask.json.provider import JSONProvider
from werkzeug.datastructures import Headers

from api.request_context import current_context
from gateway.bodies import dump_json, load_json
from gateway.clock import iso_utc
from gateway.messages import Page

HeaderPairs = list[tuple[str, str]]
EXPOSED = "Access-Control-Expose-Headers"


def set_headers(headers: Headers, pairs: HeaderPairs) -> None:
    """Set headers as ``headers.update`` does, in one step if all of them are new.

    :param pairs: no two of one name; the values have no line ends.
    """
    names = set(map(str.lower, dict(headers._list)))
    if names.isdisjoint(map(str.lower, dict(pairs))):
        headers._list += pairs
        return
    for name, value in pairs:
        headers[name] = value


def add_answer_headers(headers: Headers, pairs: Iterable[tuple[str, str]]) -> None:
    """Add the service's own headers, none of which has the name of one of ours but ``Link``.

    After compression, which gives an ``ETag`` of ours another value, and where a script of another
    origin may read ours it may read these.
    """
    headers._list += pairs
    if exposed := headers.get(EXPOSED):
        headers[EXPOSED] = ", ".join([exposed, *dict(pairs)])


@cache
def status_line(status: int) -> str:
    """Return what ``Response.status`` is for a status code."""
    return Response(status=status).status


class JsonResponse(Response):
    """JSON, whole and with its length: it needs no second look before it is sent."""

    def __init__(self, body: bytes, status: int = 200) -> None:
        # What Flask's own makes of these arguments, without its look at others.
        self.headers = Headers()
        self.headers._list = [
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(body))),
        ]
        self.response: list[bytes] = [body]
        self.direct_passthrough = False
        self._status = status_line(status)
        self._status_code = status
        self._on_close = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Leave to werkzeug what has no body, a relative ``Location``, or something to close."""
        headers = self.headers._list
        if (
            environ["REQUEST_METHOD"] == "HEAD"
            or self._status_code in (204, 304)
            or self._on_close
            or "Location" in dict(headers)
        ):
            return super().__call__(environ, start_response)
        start_response(self._status, headers)
        return self.response


def build_envelope(
    request_id: str,
    data: Any,
    code: int = 0,
    message: str = "success",
    error: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the envelope as a value; it has an ``error`` only with a negative code."""
    envelope = {
        "code": code,
        "message": message,
        "data": data,
        "request_id": request_id,
        "timestamp": iso_utc(time.time()),
    }
    if error is not None:
        envelope["error"] = error
    return envelope


def success_response(data: Any, status: int = 200, page: Page | None = None) -> Response:
    """Return the envelope of a success; ``page`` tells how the list goes on that it is part of."""
    state = current_context().g
    envelope = build_envelope(state.request_id, data)
    if page:
        envelope["next"] = page.next
    response = JsonResponse(dump_json(envelope), status)
    if state.claim is not None:
        state.claim.response = response  # is stored under the Idempotency-Key
    return response


class JsonProvider(JSONProvider):
    """Flask's JSON through orjson."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return dump_json(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        if isinstance(s, str):
            s = s.encode()
        return load_json(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        return JsonResponse(dump_json(self._prepare_response_obj(args, kwargs)))
