"""What an answer means where nothing describes it: the status decides, the body is the data."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from gateway.bodies import Reader
from gateway.bodies.text import decode_text
from gateway.envelopes.places import MAX_MESSAGE_CHARACTERS, find_text
from gateway.errors import (
    BadResponse,
    CredentialExpired,
    Failed,
    GatewayError,
    QuotaExceeded,
    Rejected,
)
from gateway.http_messages import HttpResponse

#: Where an answer that nothing describes may have its reason.
MESSAGE_PLACES = (
    ["error", "message"],
    ["error_description"],
    ["message"],
    ["detail"],
    ["errors", "0", "message"],
    ["errors", "0", "detail"],
    ["title"],
    ["error"],
    ["msg"],
)


def plain_envelope(response: HttpResponse, read: Reader) -> Any:
    """:raises GatewayError: what a status other than 2xx stands for, or ``BadResponse``."""
    if not 200 <= response.status < 300:
        raise _plain_error(response, read)
    return read_body(response, read)


def _plain_error(response: HttpResponse, read: Reader) -> GatewayError:
    """Return what the status stands for, with the words found where vendors usually put them."""
    content_type = response.headers.get("content-type", "")
    reply = read.read_error(response.body, content_type)
    message = find_text(response, reply, MESSAGE_PLACES)
    if reply is None and content_type.startswith("text/plain"):
        with suppress(ValueError):
            message = decode_text(response.body, content_type, None)[:MAX_MESSAGE_CHARACTERS]
    detail = f"HTTP {response.status}"
    if message:
        detail += f": {message}"
    error = status_error(response, detail=detail)
    error.vendor_message = message or None
    return error


def read_body(response: HttpResponse, read: Reader) -> Any:
    """Return the body's data as declared.

    :raises BadResponse: it is something else.
    """
    content_type = response.headers.get("content-type", "")
    try:
        return read(response.body, content_type)
    except ValueError as error:
        detail = f"HTTP {response.status}, {content_type[:80] or 'no content type'}: {error}"
        raise BadResponse(detail=detail) from error


def status_error(
    response: HttpResponse, wait: float | None = None, detail: str | None = None
) -> GatewayError:
    """Return what an HTTP status other than 2xx means.

    401 is about our credential; one that was fetched is renewed and the call sent once more.

    :param wait: seconds after which to ask again; those of ``Retry-After`` unless given.
    :param detail: for the log; the status unless given.
    """
    status = response.status
    detail = detail or f"HTTP {status}"
    if wait is None:
        wait = response.retry_after()
    if status >= 500:
        return Failed(status=status, retry_after=wait, detail=detail)
    if status == 429:
        return QuotaExceeded(retry_after=wait, detail=detail)
    if status == 401:
        return CredentialExpired(detail=detail)
    if status >= 400:
        return Rejected(vendor_code=str(status), detail=detail)
    return BadResponse(detail=f"{detail}; redirects are not followed")
