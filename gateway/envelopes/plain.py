"""What an answer means where nothing describes it: the HTTP status decides, the body is the data.

data = plain_envelope(response, make_reader("json"))
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.bodies import Reader
from gateway.envelopes.places import find_text
from gateway.errors import (
    BadResponse,
    CredentialExpired,
    Failed,
    GatewayError,
    QuotaExceeded,
    Rejected,
)
from gateway.http_messages import HttpResponse

MAX_RETRY_AFTER_SECONDS = 86400.0
#: Where an answer that nothing describes may have its reason.
MESSAGE_PLACES = (
    ["error", "message"],
    ["error_description"],
    ["message"],
    ["detail"],
    ["errors", "0", "message"],
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
    message = ""
    with suppress(BadResponse):
        message = find_text(response, read_body(response, read), MESSAGE_PLACES)
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
        wait = retry_after(response)
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
    """Return the seconds that ``Retry-After`` says, a day at most.

    It is a number or a date (RFC 9110, 10.2.3).

    A date is the service's, and so is the clock it is measured by, where the answer has a ``Date``.

    :param header: one of the vendor's own that says so; a large number is Unix time.
    """
    value = response.headers.get(header, "").strip()
    if value.isdecimal() and len(value) < 10:
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    if value.isdecimal() and len(value) == 10:
        instant: float | None = float(value)
    else:
        instant = _unix_time(value)
    if instant is None:
        return None
    now = _unix_time(response.headers.get("date", ""))
    if now is None:
        now = datetime.now(UTC).timestamp()
    return min(max(0.0, instant - now), MAX_RETRY_AFTER_SECONDS)


def _unix_time(text: str) -> float | None:
    """Return the Unix time (seconds) of an HTTP date; None if it is none."""
    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:
            date = date.replace(tzinfo=UTC)
        return date.timestamp()
    except (ValueError, OverflowError):
        return None
