"""Every failure a call can end in, drawn by what it means for sending the request again.

    GatewayError(code, type, source, retryable)
      CallerError           the request itself is at fault; nothing was sent
        NotFound  Forbidden  InvalidParams  Conflict  RateLimited
      CallRefused           we sent nothing, for the service's sake or ours
        CircuitOpen  Unhealthy  TooManyCalls  QuotaSpent
        Unavailable         a part of ours is away or full
          StoreUnavailable    what only the shared store knows cannot be known now
          OutOfResources      no descriptor or memory is left for one more connection
      DeadlineExceeded      the call's whole time budget is spent, before or after sending
      CredentialError       our own credential could not be had, or was refused
        CredentialExpired   the vendor says it is stale: renew it, send once more
        CredentialUnavailable   the token endpoint failed: nothing was sent, again
      DownstreamError
        ConnectFailed       not sent: any method may be sent again
          ConnectTimeout  AddressRefused  NoInstance
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

    raise QuotaExceeded(retry_after=30)
    raise fields_error("amount", ["Must be greater than 0."])
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.errors.base import (
    CallerError,
    CallerGone,
    CallRefused,
    CircuitOpen,
    Conflict,
    CredentialError,
    CredentialExpired,
    CredentialUnavailable,
    DeadlineExceeded,
    Fields,
    Forbidden,
    GatewayError,
    InvalidParams,
    NotFound,
    OutOfResources,
    QuotaSpent,
    RateLimited,
    StoreUnavailable,
    TooManyCalls,
    Unavailable,
    UnderWay,
    Unhealthy,
    nearest,
)
from gateway.errors.downstream import (
    VENDOR_ERRORS,
    AddressRefused,
    BadResponse,
    ConnectFailed,
    ConnectionLost,
    ConnectTimeout,
    DownstreamError,
    Failed,
    NoInstance,
    OutcomeUnknown,
    ProxyFailed,
    ProxyRefused,
    QuotaExceeded,
    ReadTimeout,
    Rejected,
    SignatureRejected,
    VendorCircuitOpen,
    VendorTimeout,
    VendorUnhealthy,
    VendorUnreachable,
)

__all__ = [
    "VENDOR_ERRORS",
    "AddressRefused",
    "BadResponse",
    "CallRefused",
    "CallerError",
    "CallerGone",
    "CircuitOpen",
    "Conflict",
    "ConnectFailed",
    "ConnectTimeout",
    "ConnectionLost",
    "CredentialError",
    "CredentialExpired",
    "CredentialUnavailable",
    "DeadlineExceeded",
    "DownstreamError",
    "Failed",
    "Fields",
    "Forbidden",
    "GatewayError",
    "InvalidParams",
    "NoInstance",
    "NotFound",
    "OutOfResources",
    "OutcomeUnknown",
    "ProxyFailed",
    "ProxyRefused",
    "QuotaExceeded",
    "QuotaSpent",
    "RateLimited",
    "ReadTimeout",
    "Rejected",
    "SignatureRejected",
    "StoreUnavailable",
    "TooManyCalls",
    "Unavailable",
    "UnderWay",
    "Unhealthy",
    "VendorCircuitOpen",
    "VendorTimeout",
    "VendorUnhealthy",
    "VendorUnreachable",
    "fields_error",
    "is_failure",
    "nearest",
]


def is_failure(error: GatewayError) -> bool:
    """Return whether the service failed, or we did, so that a fallback may answer instead.

    What the caller did wrong is no failure, nor is the service's "no".
    """
    failed = isinstance(error, CallRefused | CredentialError | DeadlineExceeded | DownstreamError)
    return failed and not isinstance(error, Rejected)


def fields_error(name: str, problems: Sequence[str]) -> InvalidParams:
    """Return the validation error of one field."""
    return InvalidParams(fields={name: list(problems)})
