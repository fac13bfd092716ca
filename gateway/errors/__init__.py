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
        UnsentInTime        before
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

from gateway.errors.base import CallerError as CallerError
from gateway.errors.base import CallerGone as CallerGone
from gateway.errors.base import CallRefused as CallRefused
from gateway.errors.base import CircuitOpen as CircuitOpen
from gateway.errors.base import Conflict as Conflict
from gateway.errors.base import CredentialError as CredentialError
from gateway.errors.base import CredentialExpired as CredentialExpired
from gateway.errors.base import CredentialUnavailable as CredentialUnavailable
from gateway.errors.base import DeadlineExceeded as DeadlineExceeded
from gateway.errors.base import Fields as Fields
from gateway.errors.base import Forbidden as Forbidden
from gateway.errors.base import GatewayError as GatewayError
from gateway.errors.base import InvalidParams as InvalidParams
from gateway.errors.base import NotFound as NotFound
from gateway.errors.base import OutOfResources as OutOfResources
from gateway.errors.base import QuotaSpent as QuotaSpent
from gateway.errors.base import RateLimited as RateLimited
from gateway.errors.base import StoreUnavailable as StoreUnavailable
from gateway.errors.base import TooManyCalls as TooManyCalls
from gateway.errors.base import Unavailable as Unavailable
from gateway.errors.base import UnderWay as UnderWay
from gateway.errors.base import Unhealthy as Unhealthy
from gateway.errors.base import UnsentInTime as UnsentInTime
from gateway.errors.base import nearest as nearest
from gateway.errors.downstream import VENDOR_ERRORS as VENDOR_ERRORS
from gateway.errors.downstream import AddressRefused as AddressRefused
from gateway.errors.downstream import BadResponse as BadResponse
from gateway.errors.downstream import ConnectFailed as ConnectFailed
from gateway.errors.downstream import ConnectionLost as ConnectionLost
from gateway.errors.downstream import ConnectTimeout as ConnectTimeout
from gateway.errors.downstream import DownstreamError as DownstreamError
from gateway.errors.downstream import Failed as Failed
from gateway.errors.downstream import NoInstance as NoInstance
from gateway.errors.downstream import OutcomeUnknown as OutcomeUnknown
from gateway.errors.downstream import ProxyFailed as ProxyFailed
from gateway.errors.downstream import ProxyRefused as ProxyRefused
from gateway.errors.downstream import QuotaExceeded as QuotaExceeded
from gateway.errors.downstream import ReadTimeout as ReadTimeout
from gateway.errors.downstream import Rejected as Rejected
from gateway.errors.downstream import SignatureRejected as SignatureRejected
from gateway.errors.downstream import VendorCircuitOpen as VendorCircuitOpen
from gateway.errors.downstream import VendorTimeout as VendorTimeout
from gateway.errors.downstream import VendorUnhealthy as VendorUnhealthy
from gateway.errors.downstream import VendorUnreachable as VendorUnreachable


def is_failure(error: GatewayError) -> bool:
    """Return whether a fallback may answer: not to a caller's mistake or a service's "no"."""
    failed = isinstance(error, CallRefused | CredentialError | DeadlineExceeded | DownstreamError)
    return failed and not isinstance(error, Rejected)


def fields_error(name: str, problems: Sequence[str]) -> InvalidParams:
    """Return the validation error of one field."""
    return InvalidParams(fields={name: list(problems)})
