"""Every failure a call can end in, drawn by what it means for sending the request again.

    GatewayError(code, type, source, retryable)
      CallerError           the request itself is at fault; nothing was sent
        NotFound  Forbidden  InvalidParams  Conflict  RateLimited
      CallRefused           we sent nothing, for the service's sake or ours
        CircuitOpen  Unhealthy  TooManyCalls  QuotaSpent
        Unavailable         a part of ours is away or full
          StoreUnavailable           what only the shared store knows cannot be known now
          OutOfResources      no descriptor or memory is left for one more connection
      DeadlineExceeded      the call's whole time budget is spent, before or after sending
      CredentialError       our own credential could not be had, or was refused
        CredentialExpired   the vendor says it is stale: renew it, send once more
      DownstreamError
        ConnectFailed       not sent: any method may be sent again
          ConnectTimeout  AddressRefused
          ProxyFailed         the operator's own proxy, and not the service
            ProxyRefused
        OutcomeUnknown      sent, no answer: only what is idempotent may be sent again
          ConnectionLost  ReadTimeout  VendorUnreachable  VendorTimeout
        Failed              it said it failed (5xx): again if idempotent
          VendorCircuitOpen  VendorUnhealthy
        QuotaExceeded       wait Retry-After
        BadResponse         not understood: never
        Rejected            it said no to this input: never
        SignatureRejected   one side's signature did not verify: never

Classes know what they mean; only ``api/errors.py`` knows HTTP status.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    "expose_vendor_code",
    "status",
    "limit",
)


class GatewayError(Exception):
    """A failure with a place in the answer envelope.

    :param message: one short sentence for the caller; never a vendor's text, an internal URL or a
        secret.
    :param fields: what is wrong with which field, as marshmallow reports it.
    :param retry_after: seconds after which another try makes sense.
    :param vendor_code: the vendor's own code; shown only where a service sets
        ``expose_vendor_code``.
    :param detail: for the log only, masked there.
    """

    code: ClassVar[int] = -5000
    type: ClassVar[str] = "internal_error"
    source: ClassVar[str] = "gateway"
    retryable: ClassVar[bool] = False
    not_executed: ClassVar[bool] = (
        False  # it is certain that the service did not do what it was asked
    )
    message: str = "Something went wrong on our side; the log has it under this request id."

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
        self.detail = detail
        self.service: str | None = None
        self.method: str | None = None
        self.expose_vendor_code = False
        self.unsafe_to_repeat = (
            False  # of a proxied request: it may have been done, and may not be done twice
        )
        self.passthrough_response: object = (
            None  # the service's own answer, where that is what a proxied request gets
        )

    def copy(self) -> Self:
        """The same failure once more: one exception raised in many threads would gather the
        tracebacks of all.
        """
        same = type(self).__new__(type(self), self.message)
        vars(same).update(vars(self))
        return same

    def to_dict(self) -> dict[str, Any]:
        """Return the failure as JSON can carry it to another worker; ``from_dict`` reads it."""
        attributes = vars(self)
        carried = {name: attributes[name] for name in CARRIED if name in attributes}
        return {"kind": type(self).__name__, "message": self.message, **carried}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> GatewayError:
        """Return the failure that ``to_dict`` described; of a kind that this version does not know,
        a plain one.
        """
        kind = _KINDS.get(data["kind"], GatewayError)
        error = kind.__new__(kind, data["message"])
        GatewayError.__init__(error, data["message"])
        vars(error).update((name, data[name]) for name in CARRIED if name in data)
        return error

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        _KINDS[cls.__name__] = cls


_KINDS: dict[str, type[GatewayError]] = {GatewayError.__name__: GatewayError}


class CallerError(GatewayError):
    source = "caller"
    not_executed = True


class NotFound(CallerError):
    code = -3004
    type = "not_found"
    message = "There is nothing at this address."


class Forbidden(CallerError):
    code = -2004
    type = "forbidden"
    message = "You may not do this."


class InvalidParams(CallerError):
    code = -3003
    type = "validation_error"
    message = "Some fields are missing or wrong; see error.fields."


class Conflict(CallerError):
    code = -3006
    type = "conflict"
    message = "This clashes with what is already there."


class UnderWay(Conflict):
    retryable = True
    message = "A request with this Idempotency-Key is being worked on; ask again in a moment."


class CallerGone(CallerError):
    """Nobody is left to hear of it; whether the service did anything is unknown."""

    code = -3001
    type = "malformed_body"
    not_executed = False
    message = "The caller hung up."


class RateLimited(CallerError):
    code = -3008
    type = "rate_limited"
    retryable = True
    message = "Too many requests; see the Retry-After header."
    limit: int | None = None  # how many there may be, where no call's trace tells it


class CallRefused(GatewayError):
    retryable = True
    not_executed = True


class CircuitOpen(CallRefused):
    code = -1007
    type = "circuit_open"
    source = "downstream"
    message = "The service has been failing and is left alone for a moment."


class Unhealthy(CallRefused):
    code = -1008
    type = "downstream_unhealthy"
    source = "downstream"
    message = "The service is down."


class TooManyCalls(CallRefused):
    code = -1010
    type = "too_many_calls"
    message = "As many calls as this service takes at once are already running."


class QuotaSpent(CallRefused):
    """As ``QuotaExceeded``, but it is our count of the service's quota that says so."""

    code = -1009
    type = "downstream_quota"
    source = "downstream"
    message = "The service's quota is used up."


class Unavailable(CallRefused):
    """A part of ours is away or full (store, database, disk, descriptors); nothing was kept."""

    code = -5001
    type = "unavailable"
    message = "A part of this service is away or full; try again."


class OutOfResources(Unavailable):
    """The process has no file descriptor or memory left for one more connection."""

    message = "This service has no room for one more connection now; try again."


class StoreUnavailable(Unavailable):
    """Redis does not answer. Whoever can do without the answer goes on; who cannot, lets this
    through: 503.
    """

    message = "The shared store cannot be asked now; try again."


class DeadlineExceeded(GatewayError):
    code = -1011
    type = "deadline_exceeded"
    retryable = True
    message = "The call's time budget is spent."


class CredentialError(GatewayError):
    code = -1012
    type = "credential_error"
    not_executed = True
    message = "Our own credential for this service could not be obtained or was refused."


class CredentialExpired(CredentialError):
    """The vendor says the credential is stale; nothing was done, so any method may be sent once
    more.
    """


class DownstreamError(GatewayError):
    source = "downstream"


class ConnectFailed(DownstreamError):
    """DNS, refused or TLS: not a byte of the request was sent."""

    code = -1003
    type = "downstream_unreachable"
    retryable = True
    not_executed = True
    message = "The service could not be reached."


class AddressRefused(ConnectFailed):
    """The service's name leads to an address that is not on the internet, and the catalog does not
    allow that.
    """

    retryable = False
    message = "The catalog does not allow this service a private address (allow_private); nothing was sent."


class ProxyFailed(ConnectFailed):
    """The proxy by which calls leave is away, or cannot reach the service; the service saw nothing."""

    message = "The egress proxy is away, or cannot reach the service; nothing was sent."


class ProxyRefused(ProxyFailed):
    """The proxy wants another password, or its rules forbid the way."""

    retryable = False
    message = "The egress proxy refused the call; nothing was sent to the service."


class ConnectTimeout(ConnectFailed):
    code = -1001
    type = "downstream_timeout"
    message = "The service did not accept a connection in time."


class OutcomeUnknown(DownstreamError):
    """Sent, but no whole answer came: the service may or may not have done it."""

    retryable = True


class ConnectionLost(OutcomeUnknown):
    code = -1003
    type = "downstream_unreachable"
    message = "The service hung up before it answered."


class ReadTimeout(OutcomeUnknown):
    code = -1001
    type = "downstream_timeout"
    message = "The service did not answer in time."


class VendorUnreachable(ConnectionLost):
    """The service answered that it could not reach what it needs; how far it came is unknown."""

    message = "The service says that it could not reach what it needs."


class VendorTimeout(ReadTimeout):
    """The service answered that it ran out of time; how far it came is unknown."""

    message = "The service says that it was not done in time."


class Failed(DownstreamError):
    """The service says that it failed.

    :param status: its HTTP status; a vendor code inside an HTTP 200 counts as 503.
    """

    code = -1004
    type = "downstream_error"
    retryable = True
    message = "The service failed."
    status: int = 503

    def __init__(
        self,
        message: str | None = None,
        *,
        status: int = 503,
        retry_after: float | None = None,
        vendor_code: str | None = None,
        detail: str | None = None,
    ) -> None:
        super().__init__(message, retry_after=retry_after, vendor_code=vendor_code, detail=detail)
        self.status = status


class VendorCircuitOpen(Failed):
    """The service answered that it leaves alone what it needs."""

    code = CircuitOpen.code
    type = CircuitOpen.type
    message = CircuitOpen.message


class VendorUnhealthy(Failed):
    """The service answered that it is down."""

    code = Unhealthy.code
    type = Unhealthy.type
    message = Unhealthy.message


class BadResponse(DownstreamError):
    code = -1005
    type = "downstream_bad_response"
    message = "The service answered something other than what was agreed."


class Rejected(DownstreamError):
    code = -1006
    type = "downstream_rejected"
    not_executed = True
    message = "The service understood the request and said no."


class QuotaExceeded(DownstreamError):
    code = -1009
    type = "downstream_quota"
    retryable = True
    not_executed = True
    message = "The service's quota is used up."
    status = 429


class SignatureRejected(DownstreamError):
    code = -1002
    type = "invalid_signature"
    message = "The service rejected our signature, or its own does not verify."


#: What an envelope's ``errors`` may map a vendor's code to: whatever may be the service's fault,
#: and our credential's.
VENDOR_ERRORS: Mapping[str, type[GatewayError]] = {
    "downstream_error": Failed,
    "downstream_timeout": VendorTimeout,
    "downstream_unreachable": VendorUnreachable,
    "downstream_unhealthy": VendorUnhealthy,
    "circuit_open": VendorCircuitOpen,
    "downstream_rejected": Rejected,
    "downstream_quota": QuotaExceeded,
    "downstream_bad_response": BadResponse,
    "credential_error": CredentialError,
    "credential_expired": CredentialExpired,
    "invalid_signature": SignatureRejected,
}


def is_failure(error: GatewayError) -> bool:
    """The service failed, or we did, so that another answer may stand in; not what a caller did
    wrong, nor a "no".
    """
    failed = isinstance(error, CallRefused | CredentialError | DeadlineExceeded | DownstreamError)
    return failed and not isinstance(error, Rejected)


def fields_error(name: str, problems: Sequence[str]) -> InvalidParams:
    """The validation error of one field."""
    return InvalidParams(fields={name: list(problems)})
