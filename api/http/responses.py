"""The envelope of every JSON answer, and how it becomes bytes.

Example::

    return success_response({"status": "ok"})
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from flask import Response
from flask.json.provider import JSONProvider
from werkzeug.datastructures import Headers

from api.context import request_globals
from gateway.bodies import dump_json, load_json
from gateway.clock import iso_utc


class JsonResponse(Response):
    """JSON, whole and with its length: it needs no second look before it is sent.

    :param body: the JSON text.
    """

    def __init__(self, body: bytes, status: int = 200) -> None:
        headers = Headers()
        headers.add("Content-Type", "application/json")
        headers.add("Content-Length", str(len(body)))
        super().__init__([body], status, headers)

    def get_wsgi_response(
        self, environ: dict[str, Any]
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """Leave to werkzeug what has no body, a relative ``Location``, or something to close."""
        headers = self.headers.to_wsgi_list()
        if (
            environ["REQUEST_METHOD"] == "HEAD"
            or self.status_code in (204, 304)
            or self._on_close
            or "Location" in dict(headers)
        ):
            return super().get_wsgi_response(environ)
        return self.response, self.status, headers  # type: ignore[return-value]


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
        "timestamp": iso_utc(datetime.now(UTC)),
    }
    if error is not None:
        envelope["error"] = error
    return envelope


def success_response(data: Any, status: int = 200) -> Response:
    """Return the envelope of a success; ``data`` is any value that JSON has."""
    state = request_globals()
    response = JsonResponse(dump_json(build_envelope(state.request_id, data)), status)
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
