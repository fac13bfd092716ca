"""The base of all failures, and those that are not the service's: the caller's, and ours."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, ClassVar, Self

Fields = Mapping[str, object]

#: The attributes that ``GatewayError.to_dict`` carries beside kind and message: no detail, which is
#: for one log only.
CARRIED = (
    "fields",
    "retry_after",
    "vendor_code",
    "service",
    "method",
    "vendor_message",
    "expose_vendor_code",
    "expose_vendor_error",
    "did_you_mean",
    "status",
    "limit",
)

MAX_NAME_CHARACTERS = 64
MAX_CANDIDATES = 1000  # comparing more would keep others waiting for more than some ms
MAX_UNKNOWN_NAMES = 20  # of one request, each compared with all candidates


class GatewayError(Exception):
    """A failure with a place in the answer envelope.

    :param message: one short sentence for the caller; never a vendor's text, an internal URL or a
        secret.
    :param fields: what is wrong with which field, as marshmallow reports it.
    :param retry_after: seconds after which another try makes sense.
    :param vendor_code: the vendor's own code; shown only where a service sets
        ``expose_vendor_code`` or ``expose_vendor_error``.
    :param detail: for the log only, masked there.
    :ivar vendor_message: the vendor's own words; shown, masked, only where a service sets
        ``expose_vendor_error``.
    :ivar did_you_mean: the name that is nearest to one that does not exist.
    """

    code: ClassVar[int] = -5000
    type: ClassVar[str] = "internal_error"
    source: ClassVar[str] = "gateway"
    retryable: ClassVar[bool] = False
    #: It is certain that the service did not do what it was asked.
    not_executed: ClassVar[bool] = False
    message: str = (
        "Something went wrong on our side; give the admin this request_id,"
        " under which the log has it."
    )

    def __init__(
        self,
        message: str | None = None,
        *,
        fields: Fields | None = None,
        retry_after: float | None = None,
        vendor_code: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message or self.message)
        self.message = message or self.message
        self.fields = fields
        self.retry_after = retry_after
        self.vendor_code = vendor_code
        self.vendor_message: str | None = None
        self.did_you_mean: str | None = None
        self.detail = detail
        self.service: str | None = None
        self.method: str | None = None
        self.expose_vendor_code = False
        self.expose_vendor_error = False
        #: Of a proxied request: it may have been executed, and may not be executed twice.
        self.unsafe_to_repeat = False
        #: The service's own answer, where that is what a proxied request gets.
        self.passthrough_response: object = None

    def copy(self) -> Self:
        """Return the same failure for another thread, so that their tracebacks do not mix."""
        duplicate = type(self).__new__(type(self), self.message)
        vars(duplicate).update(vars(self))
        return duplicate

    def to_dict(self) -> dict[str, Any]:
        """Return the failure as JSON can carry it to another worker; ``from_dict`` reads it."""
        attributes = vars(self)
        carried = {name: attributes[name] for name in CARRIED if name in attributes}
        return {"kind": type(self).__name__, "message": self.message, **carried}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> GatewayError:
        """Return the failure that ``to_dict`` described; a plain one if its kind is unknown."""
        kind = _KINDS.get(data["kind"], GatewayError)
        error = kind.__new__(kind, data["message"])
        GatewayError.__init__(error, data["message"])
        vars(error).update((name, data[name]) for name in CARRIED if name in data)
        return error

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _KINDS[cls.__name__] = cls


_KINDS: dict[str, type[GatewayError]] = {GatewayError.__name__: GatewayError}


def nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the name that a caller may have meant by one that does not exist, if one is near."""
    candidates = list(islice(names, MAX_CANDIDATES))
    similar = difflib.get_close_matches(name[:MAX_NAME_CHARACTERS], candidates, n=1)
    return similar[0] if similar else None


class CallerError(GatewayError):
    source = "caller"
    not_executed = True


class NotFound(CallerError):
    code = -3004
    type = "not_found"
    message = "There is nothing at this address; /docs lists what there is."

    @classmethod
    def among(cls, message: str, name: str, names: Iterable[str]) -> Self:
        """Return the failure with the nearest of the names that there are."""
        error = cls(message)
        error.did_you_mean = nearest(name, names)
        return error


class Forbidden(CallerError):
    code = -2004
    type = "forbidden"
    message = "You may not do this; ask an admin for the right to."


class InvalidParams(CallerError):
    code = -3003
    type = "validation_error"
    message = "Some fields are missing or wrong; see error.fields."

    @classmethod
    def among(cls, fields: Fields, names: Sequence[str]) -> Self:
        """Return the failure with the nearest of the names that there are to an unknown field."""
        error = cls(fields=fields)
        allowed = set(names)
        unknown = (name for name in fields if allowed.isdisjoint({name, name.partition(".")[0]}))
        similar = (nearest(field, names) for field in islice(unknown, MAX_UNKNOWN_NAMES))
        error.did_you_mean = next(filter(None, similar), None)
        return error


class Conflict(CallerError):
    code = -3006
    type = "conflict"
    message = "This clashes with what is already there; read that, and change what you send."


class UnderWay(Conflict):
    retryable = True
    message = "A request with this Idempotency-Key is being worked on; ask again in a moment."


class CallerGone(CallerError):
    """Nobody is left to get the answer; whether the service did anything is unknown."""

    code = -3001
    type = "malformed_body"
    not_executed = False
    message = "The caller hung up."


class RateLimited(CallerError):
    code = -3008
    type = "rate_limited"
    retryable = True
    message = "Too many requests; wait as long as the Retry-After header says."
    limit: int | None = None  # how many there may be, where no call's trace tells it


class CallRefused(GatewayError):
    retryable = True
    not_executed = True


class CircuitOpen(CallRefused):
    code = -1007
    type = "circuit_open"
    source = "downstream"
    message = (
        "The service has been failing and is left alone for a moment;"
        " wait as long as Retry-After says."
    )


class Unhealthy(CallRefused):
    code = -1008
    type = "downstream_unhealthy"
    source = "downstream"
    message = "The service is down, as its health probe says; wait as long as Retry-After says."


class TooManyCalls(CallRefused):
    code = -1010
    type = "too_many_calls"
    message = (
        "As many calls as this service takes at once are already running; try again in a moment."
    )


class QuotaSpent(CallRefused):
    """As ``QuotaExceeded``, but it is our count of the service's quota that says so."""

    code = -1009
    type = "downstream_quota"
    source = "downstream"
    message = "The service's quota is used up; wait as long as Retry-After says."


class Unavailable(CallRefused):
    """A part of ours is away or full (store, database, disk, descriptors); nothing was kept."""

    code = -5001
    type = "unavailable"
    message = "A part of this service is away or full; nothing was kept. Try again in a moment."


class OutOfResources(Unavailable):
    """The process has no file descriptor or memory left for one more connection."""

    message = "This service has no room for one more connection now; try again in a moment."


class StoreUnavailable(Unavailable):
    """Redis does not answer. Code that can go on without it catches this."""

    message = "The shared store cannot be asked now; try again in a moment."


class DeadlineExceeded(GatewayError):
    code = -1011
    type = "deadline_exceeded"
    retryable = True
    message = "The call's time budget is spent; give it more (X-Request-Timeout, deadline)."


class UnsentInTime(DeadlineExceeded):
    """It was spent before the call was sent."""

    not_executed = True


class CredentialError(GatewayError):
    code = -1012
    type = "credential_error"
    not_executed = True
    message = (
        "Our own credential for this service could not be obtained or was refused; tell the admin,"
        " to whom GET /api/v1/calls/<request_id> says why."
    )


class CredentialExpired(CredentialError):
    """The vendor says the credential is stale; any method may be sent once more."""


class CredentialUnavailable(CredentialError):
    """The token endpoint failed with this HTTP status, or is busy; the call was not sent."""

    retryable = True
    message = (
        "Whoever gives us the credential for this service is failing or busy; nothing was sent."
        " Try again in a moment."
    )
    status: int = 503
