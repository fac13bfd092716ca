"""A call that has ended, as metrics, statistics, records and spans are told of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from gateway.catalog.model import Method
from gateway.errors import GatewayError, Rejected
from gateway.messages import Call
from gateway.values import value


@value
class EndedCall:
    """One call that has ended: what metrics, statistics, its record and its spans are made of.

    It holds neither a catalog nor a traceback.

    :param began: the instant (``Clock.now``).
    :param elapsed: seconds.
    :param type: of the failure; None of a success, as ``source``.
    :param shows_why: its caller may see the service's own words.
    """

    service: str
    method: str
    call: Call
    began: float
    elapsed: float
    code: int = 0
    type: str | None = None
    source: str | None = None
    shows_why: bool = False

    @classmethod
    def of(
        cls, method: Method, call: Call, began: float, elapsed: float, error: BaseException | None
    ) -> EndedCall:
        """Describe a call that ended with this failure, if any; an unforeseen one is ours."""
        service = method.service.name
        if error is None:
            return cls(service, method.name, call, began, elapsed)
        failure = error if isinstance(error, GatewayError) else GatewayError
        return cls(
            service=service,
            method=method.name,
            call=call,
            began=began,
            elapsed=elapsed,
            code=failure.code,
            type=failure.type,
            source=failure.source,
            shows_why=method.service.expose_vendor_error,
        )


def fault_of(error: BaseException) -> str:
    """Return whose fault a failure counts as: ``caller``, ``gateway`` or ``downstream``.

    ``rejected``, the service's considered "no" to what the caller wanted, is nobody's failure.
    """
    if not isinstance(error, GatewayError):
        return GatewayError.source
    return "rejected" if isinstance(error, Rejected) else error.source


class Exporter(Protocol):
    """Gets the calls that have ended, beside the store."""

    def export(self, calls: Iterable[EndedCall], offset: float) -> None: ...
    def close(self) -> None: ...
