"""The values of a call, asked and answered: Call -> Result, and the Trace beside them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any

from gateway.rates import Permit
from gateway.streams import PassthroughRequest
from gateway.trace_context import TraceContext, new_span_id
from gateway.values import value


@lru_cache(maxsize=4096)  # few lists, and few methods that are called
def _allows(patterns: tuple[str, ...], service: str, method: str) -> bool:
    name = f"{service}.{method}"
    return any(pattern in ("*", service) or fnmatchcase(name, pattern) for pattern in patterns)


@value
class Caller:
    """The user or app that calls us.

    :param id: ``user:7`` or ``app:shop``; what logs show.
    :param allow: ``service``, ``service.method`` or ``*`` patterns; a user's is ``*``.
    :param rate: its limit, such as ``100/minute``; None for none.
    """

    id: str
    role: str = "user"
    allow: tuple[str, ...] = ("*",)
    rate: str | None = None

    def may_call(self, service: str, method: str, roles: frozenset[str]) -> bool:
        """Return whether role and list both allow ``service.method``."""
        if self.role != "admin" and self.role not in roles:
            return False
        return _allows(self.allow, service, method)


@dataclass(slots=True)
class Attempt:
    """One send: how long it took (seconds), how it ended (``code`` 0, or the error's).

    :param first_byte: seconds until the answer began, if it did.
    :param not_executed: it is certain that the service did not do what was asked.
    :param full_name: ``service.method``, the fallback's where one was asked.
    :param started_at: the instant (``Clock.now``).
    :param host: of the base URL, with its port.
    :param why: how it failed, masked, for its record.
    :param span_id: as it is sent to the service.
    """

    elapsed: float = 0.0
    code: int = 0
    status: int | None = None
    not_executed: bool = False
    first_byte: float | None = None
    full_name: str = ""
    started_at: float = 0.0
    type: str | None = None
    host: str = ""
    why: str | None = None
    span_id: str = field(default_factory=new_span_id)


@dataclass(slots=True)
class Trace:
    """What happened to one call, written as it happens by the one thread that runs it."""

    attempts: list[Attempt] = field(default_factory=list)
    permit: Permit | None = None  # by the caller's limit, where it has one
    cache: str | None = None  # HIT, MISS or STALE, where the method has a cache
    age: float | None = None  # seconds since the cached answer was given
    fallback: str | None = None  # who answered instead
    replayed: bool = False  # the stored answer to an earlier call with this Idempotency-Key
    events: list[tuple[float, str, str]] = field(default_factory=list)  # instant, step, detail
    params: Mapping[str, object] | None = None  # masked, once something was sent

    def note(self, now: float, step: str, detail: str = "") -> None:
        """Note a decision for the call's record. Never a service's own words."""
        self.events.append((now, step, detail))

    @property
    def downstream_elapsed(self) -> float:
        """The seconds spent waiting for the service, over all attempts."""
        elapsed = 0.0
        for attempt in self.attempts:
            elapsed += attempt.elapsed
        return elapsed


@value
class Call:
    """One use of one method.

    :param params: as the caller gave them; ``from_text`` says they came from a query string.
    :param timeout: seconds the caller is willing to wait, if it said so.
    :param idempotency_key: the caller's own; see ``gateway.middleware.idempotency``.
    :param vendor_key: what a vendor who honours such a key gets, made from the caller's.
    :param deadline: the instant (``Clock.now``) at which the time is spent: at first the caller's
        own ``timeout``, inside the chain's ``deadline`` also the method's.
    :param inbound: what goes on to the service as it came, where bodies are streamed.
    :param context: the trace it is part of.
    :param backup: it goes to the service's ``backup_url``, which has a breaker of its own.
    :param all_pages: of a list, which are gathered into one answer.
    """

    service: str
    method: str
    params: Mapping[str, object]
    caller: Caller
    request_id: str
    timeout: float | None = None
    idempotency_key: str | None = None
    vendor_key: str | None = None
    from_text: bool = False
    deadline: float = math.inf
    backup: bool = False
    inbound: PassthroughRequest | None = None
    context: TraceContext = field(default_factory=TraceContext.new)
    trace: Trace = field(default_factory=Trace)
    all_pages: bool = False

    def copy_with(self, params: Mapping[str, object], deadline: float) -> Call:
        """Return a copy with other parameters and another deadline: each call needs two of them.

        Written out, because ``dataclasses.replace`` takes ten times as long.
        """
        return Call(
            self.service,
            self.method,
            params,
            self.caller,
            self.request_id,
            self.timeout,
            self.idempotency_key,
            self.vendor_key,
            self.from_text,
            deadline,
            self.backup,
            self.inbound,
            self.context,
            self.trace,
            self.all_pages,
        )

    @property
    def body_consumed(self) -> bool:
        """Whether some of a body that can be sent only once was sent."""
        return bool(self.inbound and self.inbound.body and self.inbound.body.started)


@value
class Page:
    """What an answer says of the list that it is a page of.

    :param next: the parameters of the page that follows; None where this is the last one.
    :param body_bytes: how large its body was.
    """

    next: Mapping[str, object] | None
    body_bytes: int = 0


@value
class Extras:
    """What a service's answer has beside its data; kept wherever the data is kept.

    :param headers: those that the method's ``response_headers`` names, masked.
    :param page: how the list goes on, where the method has ``paginate``.
    """

    headers: tuple[tuple[str, str], ...] = ()
    page: Page | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what there is as JSON, by the words that callers read."""
        fields: dict[str, Any] = {}
        if self.headers:
            fields["headers"] = dict(self.headers)
        if self.page:
            fields["next"] = self.page.next
        return fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Extras:
        """Return what ``to_dict`` has written, beside whatever else."""
        page = Page(fields["next"]) if "next" in fields else None
        return cls(tuple(fields.get("headers", {}).items()), page)


NO_EXTRAS = Extras()


@value
class Result:
    """A call that succeeded.

    :param data: the vendor's, out of its envelope; a ``ResponseStream`` where it is streamed.
    :param extras: what came beside it.
    """

    data: object
    extras: Extras = NO_EXTRAS

    def to_dict(self) -> dict[str, Any]:
        """Return data and extras as the members of one JSON object."""
        return {"data": self.data, **self.extras.to_dict()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Result:
        return cls(fields["data"], Extras.from_dict(fields))
