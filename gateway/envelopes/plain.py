"""``plain``: the HTTP status decides, the body is the data."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from gateway.bodies import Reader
from gateway.call import HttpResponse
from gateway.errors import BadResponse, CredentialExpired, Failed, GatewayError, QuotaExceeded, Rejected

LONGEST_WAIT = 86400.0  # seconds


class Plain:
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


def status_error(response: HttpResponse, wait: float | None = None, detail: str | None = None) -> GatewayError:
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
        return min(float(value), LONGEST_WAIT)
    instant = float(value) if value.isdecimal() and len(value) == 10 else _unix_time(value)
    if instant is None:
        return None
    now = _unix_time(response.headers.get("date", ""))
    if now is None:
        now = datetime.now(UTC).timestamp()
    return min(max(0.0, instant - now), LONGEST_WAIT)


def _unix_time(text: str) -> float | None:
    """The Unix time (seconds) of an HTTP date; None if it is none."""
    try:
        date = parsedate_to_datetime(text)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
