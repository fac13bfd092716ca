"""``plain``: the HTTP status decides, the body is the data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.call import HttpResponse
from gateway.errors import BadResponse, CredentialExpired, Failed, GatewayError, QuotaExceeded, Rejected

LONGEST_WAIT = 86400.0  # seconds


class Plain:
    def __call__(self, response: HttpResponse, read: Callable[[bytes], Any]) -> Any:
        """:raises GatewayError: what a status other than 2xx stands for, or ``BadResponse``."""
        if not 200 <= response.status < 300:
            raise status_error(response)
        return read_body(response, read)


def read_body(response: HttpResponse, read: Callable[[bytes], Any]) -> Any:
    """The body as declared.

    :raises BadResponse: it is something else.
    """
    try:
        return read(response.body)
    except ValueError as error:
        kind = response.headers.get("content-type", "no content type")[:80]
        raise BadResponse(detail=f"HTTP {response.status}, {kind}: {error}") from error


def status_error(response: HttpResponse) -> GatewayError:
    """What an HTTP status other than 2xx means.

    401 is about our credential; one that was fetched is renewed and the call sent once more.
    """
    status, detail = response.status, f"HTTP {response.status}"
    if status >= 500:
        return Failed(status=status, retry_after=retry_after(response), detail=detail)
    if status == 429:
        return QuotaExceeded(retry_after=retry_after(response), detail=detail)
    if status == 401:
        return CredentialExpired(detail=detail)
    if status >= 400:
        return Rejected(vendor_code=str(status), detail=detail)
    return BadResponse(detail=f"{detail}; redirects are not followed")


def retry_after(response: HttpResponse) -> float | None:
    """Seconds from ``Retry-After``, a number or a date (RFC 9110, 10.2.3); a day at most."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal() and len(value) < 10:
        return min(float(value), LONGEST_WAIT)
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(LONGEST_WAIT, max(0.0, (date - datetime.now(UTC)).total_seconds()))
