"""Errors of this service, and how any error becomes an envelope with its HTTP status.

No other code knows a status.

Example::

    return error_response(TooLarge.over(1024))
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flask import Response, g, request

from api.context import app_state
from api.http.responses import JsonResponse, build_envelope
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
    -1001: 504, -1002: 502, -1003: 502, -1004: 502, -1005: 502, -1006: 422, -1007: 503, -1008: 503,
    -1009: 429,
    -1010: 503, -1011: 504, -1012: 502, -1013: 207,
    -2001: 401, -2002: 401, -2003: 401, -2004: 403, -2005: 401, -2006: 401,
    -3001: 400, -3002: 400, -3003: 400, -3004: 404, -3005: 405, -3006: 409, -3007: 413, -3008: 429,
    -3009: 412,
    -3010: 406, -3011: 431, -3012: 416,
    -5000: 500, -5001: 503, -5002: 503,
}  # fmt: skip
#: Where ``api/pages/error_codes.py`` says what a code means and what to do.
DOCS: Mapping[int, str] = {code: f"/docs/errors#{code}" for code in STATUS}


class CallerSignatureInvalid(CallerError):
    """:ivar string_to_sign: what the signature should have been made of."""

    code = -1002
    type = "invalid_signature"
    message = "The request's signature does not verify."
    string_to_sign: str | None = None

    @classmethod
    def of(cls, text: bytes) -> CallerSignatureInvalid:
        error = cls()
        error.string_to_sign = text.decode("latin-1")
        return error


class Unauthenticated(CallerError):
    code = -2001
    type = "unauthenticated"
    message = "Say who you are: send a bearer token or sign the request."


class TokenExpired(CallerError):
    code = -2002
    type = "token_expired"
    message = "The token has expired; refresh it or log in again."


class TokenInvalid(CallerError):
    code = -2003
    type = "token_invalid"
    message = "The token is not valid."


class Replayed(CallerError):
    code = -2005
    type = "replayed"
    message = "The nonce was seen before, or the timestamp is off by more than 300 seconds."


class BadCredentials(CallerError):
    code = -2006
    type = "bad_credentials"
    message = "Wrong username or password."


class MalformedBody(CallerError):
    code = -3001
    type = "malformed_body"
    message = "The body is not valid JSON."


class BrokenBody(MalformedBody):
    """The end of the body was not found, so nothing after it on this connection can be trusted."""

    message = "The body broke off or its chunks are malformed."


MAX_TYPE_CHARACTERS = 100  # of a caller's Content-Type, in a message
#: How curl sends a body of each content type.
CURL_OPTIONS = {"application/json": "curl --json", "multipart/form-data": "curl -F"}


class UnsupportedMediaType(CallerError):
    code = -3002
    type = "unsupported_media_type"
    message = "Send the body as application/json."

    @classmethod
    def instead_of(cls, given: str | None, *due: str) -> UnsupportedMediaType:
        """Say what is due, how curl sends it, and what came.

        :param given: the request's Content-Type.
        :param due: content types.
        """
        ways = " or ".join(f"{name} ({CURL_OPTIONS[name]})" for name in due)
        came = "without a Content-Type"
        if given:
            came = f"as {given[:MAX_TYPE_CHARACTERS]}"
        return cls(f"Send the body as {ways}; it came {came}.")


class MethodNotAllowed(CallerError):
    code = -3005
    type = "method_not_allowed"
    message = "This address does not take that verb; see the Allow header."

    def __init__(self, allow: str) -> None:
        super().__init__()
        self.allow = allow


class TooLarge(CallerError):
    code = -3007
    type = "too_large"
    message = "The body is too large."

    @classmethod
    def over(cls, limit: int) -> TooLarge:
        """Say the limit, the setting that it is, and the way of what is larger.

        :param limit: bytes that the body might have had.
        """
        settings = app_state().settings
        text = f"The body may have at most {limit} bytes"
        if limit == settings.max_upload:
            return cls(f"{text} (MAX_UPLOAD).")
        if limit != settings.max_body:
            return cls(f"{text}.")
        text += " (MAX_BODY)"
        if limit < settings.max_upload:
            text += (
                f"; a file, sent to POST /api/v1/files or to a method with stream: true,"
                f" up to {settings.max_upload} (MAX_UPLOAD)"
            )
        return cls(f"{text}.")

    @classmethod
    def to_sign(cls) -> TooLarge:
        """Say that a body that would pass as it comes is read whole for its signature."""
        settings = app_state().settings
        return cls(
            f"A body that is signed is read whole and may have at most {settings.max_body} bytes"
            f" (MAX_BODY); where the service's auth says payload: unsigned, {settings.max_upload}"
            " (MAX_UPLOAD)."
        )


class PreconditionFailed(CallerError):
    code = -3009
    type = "precondition_failed"
    message = "It has changed since you read it; read it again."


class HeadersTooLarge(CallerError):
    code = -3011
    type = "headers_too_large"
    message = "The request line or a header is too large."


class RangeNotSatisfiable(CallerError):
    code = -3012
    type = "range_not_satisfiable"
    message = "The range is not within the file."

    def __init__(self, size: int) -> None:
        super().__init__(fields={"Range": [f"The file has {size} bytes."]})
        self.size = size


class WriteUnknown(GatewayError):
    """Our own write was sent to the database and its answer never came.

    :param repeatable: it was sent under an Idempotency-Key that tells.
    """

    code = -5002
    type = "outcome_unknown"
    message = "Whether this was stored is unknown; look before you send it again."

    def __init__(self, *, repeatable: bool = False) -> None:
        message = None
        if repeatable:
            message = "Whether this was stored is unknown; send it again under the same key."
        super().__init__(message)
        self.retryable = repeatable  # type: ignore[misc]


class NoRoom(Unavailable):
    """A disk, a file descriptor or memory."""

    message = "This service has no room for this now; try again."


class NotReady(Unavailable):
    message = "Not ready; error.fields says what is missing."


class DatabaseAway(NotReady):
    """The database does not answer in time, or it ended one of two deadlocked transactions."""

    message = "The database could not do this now; try again."


class PartialFailure(GatewayError):
    """Some calls of a batch or aggregate failed; another try makes sense if it does for all."""

    code = -1013
    type = "partial_failure"
    source = "downstream"
    message = "Some calls failed; data has each call's own answer."

    def __init__(self, failed: Sequence[GatewayError]) -> None:
        super().__init__()
        self.retryable = all(error.retryable for error in failed)  # type: ignore[misc]


class NotAcceptable(CallerError):
    code = -3010
    type = "not_acceptable"
    message = "There is no answer in a format that Accept allows."


def error_response(error: GatewayError, data: Any = None) -> Response:
    """Return the failure envelope of an error, with the headers that go with it.

    :param data: the data that there is nevertheless; only a partial failure has any.
    """
    g.code = error.code
    body = dump_json(
        build_envelope(
            g.request_id,
            data,
            error.code,
            error.message,
            describe_error(error, request.root_path),
        )
    )
    response = JsonResponse(body, status_of(error))
    wait = error.retry_after
    if wait is None and isinstance(
        error, QuotaExceeded | VendorCircuitOpen | VendorUnhealthy | Unavailable
    ):
        wait = 1.0  # a vendor need not say when it can be asked again, nor a disk when it has space
    if wait is not None:
        response.headers["Retry-After"] = str(max(1, math.ceil(wait)))
    if isinstance(error, RateLimited) and error.limit is not None:
        limits = {
            "Limit": str(error.limit),
            "Remaining": "0",
            "Reset": response.headers["Retry-After"],
        }
        response.headers.update({f"RateLimit-{name}": text for name, text in limits.items()})
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = error.allow
    if request.path.startswith(PROXY_PREFIX):
        response.headers["X-Postern-Error"] = error.type  # or it might be the vendor who says so
    if error.unsafe_to_repeat:
        # Or OpenAI's and Anthropic's SDKs send it up to three times.
        response.headers["X-Should-Retry"] = "false"
    if isinstance(error, BrokenBody):
        response.headers["Connection"] = "close"
    if isinstance(error, RangeNotSatisfiable):
        response.headers["Content-Range"] = f"bytes */{error.size}"
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 11.6.1
    return response


def status_of(error: GatewayError) -> int:
    """Return the HTTP status of an error: its code's, but for a type that shares another's code."""
    if isinstance(error, CallerSignatureInvalid):
        return 401
    return STATUS[error.code]


def describe_error(error: GatewayError, prefix: str = "") -> dict[str, Any]:
    """Return the envelope's ``error``: what kind, whose fault, whether another try makes sense.

    :param prefix: of the path under which the caller sees this service.
    """
    description: dict[str, Any] = {
        "type": error.type,
        "source": error.source,
        "retryable": error.retryable,
        "docs": prefix + DOCS[error.code],
    }
    if error.service:
        description["service"] = error.service
    if error.method:
        description["method"] = error.method
    if error.fields:
        description["fields"], more = _first_fields(error.fields)
        if more:
            description["more"] = more
    if isinstance(error, CallerSignatureInvalid) and error.string_to_sign is not None:
        description["string_to_sign"] = error.string_to_sign
    if error.did_you_mean:
        description["did_you_mean"] = error.did_you_mean
    if error.vendor_code is not None and error.expose_vendor_code:
        description["vendor_code"] = error.vendor_code
    if error.expose_vendor_error and (error.vendor_code or error.vendor_message):
        description["vendor"] = {"code": error.vendor_code, "message": error.vendor_message}
    return description


def _first_fields(fields: Fields) -> tuple[dict[str, Any], int]:
    """Return the first ``MAX_PROBLEMS`` fields, nested ones too, and the number of others."""
    problems = _problems(fields, ())
    tree: dict[str, Any] = {}
    for path, problem in itertools.islice(problems, MAX_PROBLEMS):
        branch = tree
        for name in path[:-1]:
            branch = branch.setdefault(name, {})
        branch[path[-1]] = problem
    if any(isinstance(problem, dict) for problem in fields.values()):
        return tree, sum(1 for _ in problems)
    return tree, max(0, len(fields) - MAX_PROBLEMS)


def _problems(fields: Fields, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, problem in fields.items():
        text = str(name)
        if len(text) > MAX_NAME_CHARACTERS:
            text = text[:MAX_NAME_CHARACTERS] + "…"
        inner_path = (*path, text)
        if isinstance(problem, dict):
            yield from _problems(problem, inner_path)
        else:
            yield inner_path, problem
