"""Error -> envelope and HTTP status, once, for the whole app. Nothing else in the code knows a status."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Response, g, request

from api.context import app_state
from api.http.responses import build_envelope
from gateway.bodies import dump_json
from gateway.errors import (
    CallerError,
    Fields,
    GatewayError,
    QuotaExceeded,
    RateLimited,
    Unavailable,
    VendorCircuitOpen,
    VendorUnhealthy,
)
from schemas.bounded import MAX_PROBLEMS

PROXY_PREFIX = "/api/v1/proxy/"
ALREADY_EXISTS = "There is one already."
MAX_NAME_CHARACTERS = 100  # of a field that an answer names
STATUS: Mapping[int, int] = {
    -1001: 504, -1002: 502, -1003: 502, -1004: 502, -1005: 502, -1006: 422, -1007: 503, -1008: 503, -1009: 429,
    -1010: 503, -1011: 504, -1012: 502, -1013: 207,
    -2001: 401, -2002: 401, -2003: 401, -2004: 403, -2005: 401, -2006: 401,
    -3001: 400, -3002: 400, -3003: 400, -3004: 404, -3005: 405, -3006: 409, -3007: 413, -3008: 429, -3009: 412,
    -3010: 406, -3011: 431, -3012: 416,
    -5000: 500, -5001: 503, -5002: 503,
}  # fmt: skip


class CallerSignatureInvalid(CallerError):
    code, type = -1002, "invalid_signature"
    message = "The request's signature does not verify."


class Unauthenticated(CallerError):
    code, type = -2001, "unauthenticated"
    message = "Say who you are: send a bearer token or sign the request."


class TokenExpired(CallerError):
    code, type = -2002, "token_expired"
    message = "The token has expired; refresh it or log in again."


class TokenInvalid(CallerError):
    code, type = -2003, "token_invalid"
    message = "The token is not valid."


class Replayed(CallerError):
    code, type = -2005, "replayed"
    message = "The nonce was seen before, or the timestamp is off by more than 300 seconds."


class BadCredentials(CallerError):
    code, type = -2006, "bad_credentials"
    message = "Wrong username or password."


class MalformedBody(CallerError):
    code, type = -3001, "malformed_body"
    message = "The body is not valid JSON."


class BrokenBody(MalformedBody):
    """Its end was not found, so nothing after it on this connection can be trusted."""

    message = "The body broke off or its chunks are malformed."


class UnsupportedMediaType(CallerError):
    code, type = -3002, "unsupported_media_type"
    message = "Send the body as application/json."


class MethodNotAllowed(CallerError):
    code, type = -3005, "method_not_allowed"
    message = "This address does not take that verb; see the Allow header."

    def __init__(self, allow: str) -> None:
        super().__init__()
        self.allow = allow


class TooLarge(CallerError):
    code, type = -3007, "too_large"
    message = "The body is too large."

    @classmethod
    def over(cls, limit: int) -> TooLarge:
        """:param limit: bytes that the body might have had."""
        settings = app_state().settings
        text = f"The body may have at most {limit} bytes"
        if limit == settings.max_body < settings.max_upload:
            text += f"; as a file (POST /api/v1/files) up to {settings.max_upload}"
        return cls(f"{text}.")


class PreconditionFailed(CallerError):
    code, type = -3009, "precondition_failed"
    message = "It has changed since you read it; read it again."


class HeadersTooLarge(CallerError):
    code, type = -3011, "headers_too_large"
    message = "The request line or a header is too large."


class RangeNotSatisfiable(CallerError):
    code, type = -3012, "range_not_satisfiable"
    message = "The range is not within the file."

    def __init__(self, size: int) -> None:
        super().__init__(fields={"Range": [f"The file has {size} bytes."]})
        self.size = size


class WriteUnknown(GatewayError):
    """Our own write was sent to the database and its answer never came.

    :param repeatable: it was sent under an Idempotency-Key that tells.
    """

    code, type = -5002, "outcome_unknown"
    message = "Whether this was stored is unknown; look before you send it again."

    def __init__(self, *, repeatable: bool = False) -> None:
        super().__init__(
            "Whether this was stored is unknown; send it again under the same key."
            if repeatable
            else None
        )
        self.retryable = repeatable  # type: ignore[misc]


class NoRoom(Unavailable):
    """A disk, a file descriptor or memory."""

    message = "This service has no room for this now; try again."


class NotReady(Unavailable):
    message = "Not ready; error.fields says what is missing."


class DatabaseAway(NotReady):
    """It does not answer, not in time, or it ended one of two transactions that waited for each other."""

    message = "The database could not do this now; try again."


class PartialFailure(GatewayError):
    """Some calls of a batch or aggregate failed; another try makes sense where it does for all of them."""

    code, type, source = -1013, "partial_failure", "downstream"
    message = "Some calls failed; data has each call's own answer."

    def __init__(self, failed: Sequence[GatewayError]) -> None:
        super().__init__()
        self.retryable = all(error.retryable for error in failed)  # type: ignore[misc]


class NotAcceptable(CallerError):
    code, type = -3010, "not_acceptable"
    message = "There is no answer in a format that Accept allows."


def error_response(error: GatewayError, data: Any = None) -> Response:
    """The failure envelope of one error, with the headers that go with it.

    :param data: what was had nevertheless; only a partial failure has any.
    """
    g.code = error.code
    body = dump_json(
        build_envelope(g.request_id, data, error.code, error.text, describe_error(error))
    )
    response = Response(body, status_of(error), mimetype="application/json")
    wait = error.retry_after
    if wait is None and isinstance(
        error, QuotaExceeded | VendorCircuitOpen | VendorUnhealthy | Unavailable
    ):
        wait = 1.0  # a vendor need not say when it can be asked again, nor a disk when it has space
    if wait is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if isinstance(error, RateLimited) and error.limit is not None:
        told = {
            "Limit": str(error.limit),
            "Remaining": "0",
            "Reset": response.headers["Retry-After"],
        }
        response.headers.update({f"RateLimit-{name}": text for name, text in told.items()})
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = error.allow
    if request.path.startswith(PROXY_PREFIX):
        response.headers["X-Postern-Error"] = error.type  # or it might be the vendor who says so
    if error.not_again:
        response.headers["X-Should-Retry"] = (
            "false"  # or OpenAI's and Anthropic's SDKs send it up to three times
        )
    if isinstance(error, BrokenBody):
        response.headers["Connection"] = "close"
    if isinstance(error, RangeNotSatisfiable):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 11.6.1
    return response


def status_of(error: GatewayError) -> int:
    """By code, but for the types that share a code with another status."""
    if isinstance(error, CallerSignatureInvalid):
        return 401
    return STATUS[error.code]


def describe_error(error: GatewayError) -> dict[str, Any]:
    """The envelope's ``error``: what kind, whose fault, whether another try makes sense."""
    told: dict[str, Any] = {
        "type": error.type,
        "source": error.source,
        "retryable": error.retryable,
    }
    if error.service:
        told["service"] = error.service
    if error.method:
        told["method"] = error.method
    if error.fields:
        told["fields"], others = _first_fields(error.fields)
        if others:
            told["more"] = others
    if error.vendor_code is not None and error.expose_vendor_code:
        told["vendor_code"] = error.vendor_code
    return told


def _first_fields(fields: Fields) -> tuple[dict[str, Any], int]:
    """Return the first ``MAX_PROBLEMS`` fields, those within others one by one, and how many others there are."""
    problems = _problems(fields, ())
    shown: dict[str, Any] = {}
    for path, problem in itertools.islice(problems, MAX_PROBLEMS):
        place = shown
        for name in path[:-1]:
            place = place.setdefault(name, {})
        place[path[-1]] = problem
    if any(isinstance(problem, dict) for problem in fields.values()):
        return shown, sum(1 for _ in problems)
    return shown, max(0, len(fields) - MAX_PROBLEMS)


def _problems(fields: Fields, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, problem in fields.items():
        text = str(name)
        within = (
            *path,
            text if len(text) <= MAX_NAME_CHARACTERS else text[:MAX_NAME_CHARACTERS] + "…",
        )
        if isinstance(problem, dict):
            yield from _problems(problem, within)
        else:
            yield within, problem
