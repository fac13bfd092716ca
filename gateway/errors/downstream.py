"""The failures of services, drawn by whether the request was sent and may be sent again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.errors.base import (
    CircuitOpen,
    CredentialError,
    CredentialExpired,
    GatewayError,
    Unhealthy,
)

_LOOK_FIRST = "try again in a moment, but look first whether a write was done."


class DownstreamError(GatewayError):
    source = "downstream"


class ConnectFailed(DownstreamError):
    """DNS, refused or TLS: not a byte of the request was sent."""

    code = -1003
    type = "downstream_unreachable"
    retryable = True
    not_executed = True
    message = "The service could not be reached; nothing was sent. Try again in a moment."


class AddressRefused(ConnectFailed):
    """The service's name leads to a private address, and the catalog does not allow that."""

    retryable = False
    message = (
        "The catalog does not allow this service a private address; nothing was sent. Its admin may"
        " write allow_private: true."
    )


class NoInstance(ConnectFailed):
    """The registry that ``base_url`` names a service of knows no instance of it."""

    message = (
        "The registry knows no healthy instance of the service; nothing was sent. Try again when"
        " one has registered."
    )


class ProxyFailed(ConnectFailed):
    """The egress proxy is away, or cannot reach the service, which saw nothing."""

    message = (
        "The egress proxy is away, or cannot reach the service; nothing was sent. Try again later,"
        " or have an admin look at the proxy (EGRESS_PROXY)."
    )


class ProxyRefused(ProxyFailed):
    """The proxy wants another password, or its rules forbid the way."""

    retryable = False
    message = (
        "The egress proxy refused the call; nothing was sent to the service. An admin has to look"
        " at its password (EGRESS_PROXY) and its rules."
    )


class ConnectTimeout(ConnectFailed):
    code = -1001
    type = "downstream_timeout"
    message = (
        "The service did not accept a connection in time; nothing was sent. Try again in a moment."
    )


class OutcomeUnknown(DownstreamError):
    """Sent, but no whole answer came: the service may or may not have done it."""

    retryable = True


class ConnectionLost(OutcomeUnknown):
    code = -1003
    type = "downstream_unreachable"
    message = f"The service hung up before it answered; {_LOOK_FIRST}"


class ReadTimeout(OutcomeUnknown):
    code = -1001
    type = "downstream_timeout"
    message = f"The service did not answer in time; {_LOOK_FIRST}"


class VendorUnreachable(ConnectionLost):
    """The service answered that it could not reach what it needs; how far it came is unknown."""

    message = f"The service says that it could not reach what it needs; {_LOOK_FIRST}"


class VendorTimeout(ReadTimeout):
    """The service answered that it ran out of time; how far it came is unknown."""

    message = f"The service says that it was not done in time; {_LOOK_FIRST}"


class Failed(DownstreamError):
    """The service says that it failed.

    :param status: its HTTP status; a vendor code inside an HTTP 200 counts as 503.
    """

    code = -1004
    type = "downstream_error"
    retryable = True
    message = f"The service failed; {_LOOK_FIRST}"
    status: int = 503

    def __init__(self, message: str | None = None, *, status: int = 503, **options: Any) -> None:
        super().__init__(message, **options)
        self.status = status


class VendorCircuitOpen(Failed):
    """The service answered that it leaves alone what it needs."""

    code = CircuitOpen.code
    type = CircuitOpen.type
    message = "The service says that what it needs is failing; wait as long as Retry-After says."


class VendorUnhealthy(Failed):
    """The service answered that it is down."""

    code = Unhealthy.code
    type = Unhealthy.type
    message = "The service says that it is down; wait as long as Retry-After says."


class BadResponse(DownstreamError):
    code = -1005
    type = "downstream_bad_response"
    message = (
        "The service answered something other than what was agreed; tell the admin, to whom"
        " GET /api/v1/calls/<request_id> says what."
    )


class Rejected(DownstreamError):
    code = -1006
    type = "downstream_rejected"
    not_executed = True
    message = (
        "The service understood the request and said no; change what you ask for. Why is said, to"
        " admins, by GET /api/v1/calls/<request_id>."
    )


class QuotaExceeded(DownstreamError):
    code = -1009
    type = "downstream_quota"
    retryable = True
    not_executed = True
    message = "The service's quota is used up; wait as long as Retry-After says."
    status = 429


class SignatureRejected(DownstreamError):
    code = -1002
    type = "invalid_signature"
    message = (
        "The service rejected our signature, or its own does not verify; an admin has to compare"
        " the keys in its auth with the vendor's."
    )


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
