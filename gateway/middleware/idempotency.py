"""A call with an Idempotency-Key is made once; its first answer is given again."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from gateway.bodies import digest, dump_json, load_json
from gateway.catalog.model import Method
from gateway.errors import (
    Conflict,
    GatewayError,
    Rejected,
    StoreUnavailable,
    UnderWay,
    fields_error,
)
from gateway.messages import Call, Result, Trace
from gateway.runtime import Handler, Runtime
from gateway.stores import Store

# idempotency: Idempotency-Key: what was done under a key is not done again; its first answer is kept for a day and
# given again.

KEPT = 86400.0  # seconds
LARGEST = 256 * 1024  # bytes of JSON; a larger answer is not kept
MARGIN = 2.0  # seconds that a lease goes on beyond the call's time, to record the outcome
NOT_NOW = (
    "408",
    "409",
    "425",
)  # vendor codes: "not now", such as "still at work on this key", is no "no"

OTHER = "This Idempotency-Key was used for another request; use a new one."
UNKNOWN = (
    "A request with this Idempotency-Key was begun and its outcome is unknown:"
    " ask the service what it did, or use a new key to send it again."
)
LOST = "The request under this Idempotency-Key was done; its answer was too large to be kept."

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

Record = dict[str, Any]


def checked_key(text: str) -> str:
    """:raises InvalidParams: it is not 1 to 255 visible ASCII characters."""
    if not _KEY.fullmatch(text):
        raise fields_error("Idempotency-Key", ["Must be 1 to 255 visible ASCII characters."])
    return text


def part_key(key: str | None, part: str) -> str | None:
    """The key of one of several calls that were asked for under one key: no key of a caller's, for none has a NUL."""
    return None if key is None else f"{key}\0{part}"


def vendor_key(*names: str) -> str:
    """What a vendor gets for a key, the same every time: two callers' keys must not meet there, nor two methods'.

    36 characters, which every vendor takes.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\0".join(names)))


@dataclass(frozen=True, slots=True)
class Use:
    """A request under a key.

    :param asked: a digest of what is asked, to tell another request under the same key.
    :param lease: seconds after which the process that works on it is taken for dead.
    :param repeatable: where the outcome is unknown, sending it again does no harm.
    :param trace: is told of a replay, and tells what the attempts did.
    """

    caller: str
    key: str
    asked: str
    lease: float
    repeatable: bool
    trace: Trace


class Idempotency:
    """Safe under threads, over all workers that share the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, use: Use, do: Callable[[], Any]) -> Any:
        """What ``do`` gives or raises the first time; under the same key, the same again.

        :param do: gives what JSON can say.
        :raises Conflict: it is being done, its outcome is unknown, or the key was used for something else.
        :raises StoreUnavailable: whether it was done cannot be known; nothing is done.
        :raises GatewayError: as ``do`` did.
        """
        name = f"idempotency:{digest((use.caller, use.key))}"
        fence = self._store.acquire(name, use.lease)
        try:
            record = self._read(name)
            if record and record["asked"] != use.asked:
                raise Conflict(OTHER)
            if record and len(record) > 1:
                use.trace.replayed, use.trace.fallback = True, record.get("fallback")
                return _answer(record)
            if record and fence is not None and not use.repeatable:
                raise Conflict(UNKNOWN)
            if fence is None or not self._store.set_fenced(
                name, dump_json({"asked": use.asked}), KEPT, fence
            ):
                raise UnderWay(retry_after=1)
            return self._first(name, fence, use, do)
        finally:
            if fence is not None:
                with suppress(StoreUnavailable):
                    self._store.release(name, fence)

    def _first(self, name: str, fence: int, use: Use, do: Callable[[], Any]) -> Any:
        try:
            data = do()
        except GatewayError as error:
            if _not_executed(error, use.trace):
                with suppress(StoreUnavailable):
                    self._store.set_fenced(
                        name, b"", use.lease, fence
                    )  # a delete might take a newer one's record
            elif not (use.repeatable and _open(error)):
                self._keep(name, fence, use, {"error": error.to_dict()})
            raise
        fallback = {"fallback": use.trace.fallback} if use.trace.fallback else {}
        self._keep(name, fence, use, {"data": data, **fallback})
        return data

    def _keep(self, name: str, fence: int, use: Use, outcome: Record) -> None:
        """The call is done whatever happens here: while the store is away, its record goes on saying "started"."""
        record = dump_json({"asked": use.asked, **outcome})
        if len(record) > LARGEST:
            if use.repeatable:
                return
            record = dump_json({"asked": use.asked, "lost": True})
        with suppress(StoreUnavailable):
            self._store.set_fenced(name, record, KEPT, fence)

    def _read(self, name: str) -> Record | None:
        record = self._store.get(name)
        return load_json(record) if record else None


def _not_executed(error: GatewayError, trace: Trace) -> bool:
    """Whether the key may be used as if for the first time. A vendor's "no" is an answer, and stands."""
    if isinstance(error, Rejected):
        return False
    return error.not_executed and all(attempt.not_executed for attempt in trace.attempts)


def _open(error: GatewayError) -> bool:
    """Whether the service's answer is still to be had."""
    return not isinstance(error, Rejected) or error.vendor_code in NOT_NOW


def _answer(record: Mapping[str, Any]) -> Any:
    """:raises GatewayError: the answer was that."""
    if "lost" in record:
        raise Conflict(LOST)
    if "data" in record:
        return record["data"]
    raise GatewayError.from_dict(record["error"])


# idempotency: A call with an Idempotency-Key is made once; its first answer is given again.


def idempotency(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """A failure of which it is certain that nothing was done frees the key; any other stands, unless sending again is
    safe.

    :raises InvalidParams: the method streams.
    :raises Conflict: see ``gateway.middleware.idempotency``.
    :raises StoreUnavailable: a call with a key is not sent without the store.
    """
    once, name, repeatable = (
        Idempotency(runtime.store),
        method.full_name,
        _repeatable(method, runtime),
    )
    now = runtime.clock.now
    stand_in = method.fallback or method.service.backup_url
    lease = method.deadline * (2 if stand_in else 1) + MARGIN  # who stands in has time of its own

    def handle(call: Call) -> Result:
        caller, key = call.caller.id, call.idempotency_key
        if key is None:
            return next_handler(call)
        if method.stream:
            raise fields_error(
                "Idempotency-Key", ["What is streamed is not kept, so it cannot be given again."]
            )
        use = Use(caller, key, digest((name, call.params)), lease, repeatable, call.trace)
        mine = replace(call, idempotency_key=None, vendor_key=vendor_key(caller, key, name))
        result = Result(once.run(use, lambda: next_handler(mine).data))
        call.trace.note(
            now(),
            "idempotency",
            "the first answer, again" if call.trace.replayed else "first use of this key",
        )
        return result

    return handle


def _repeatable(method: Method, runtime: Runtime) -> bool:
    """Whether the method, and the one that stands in for it, may be sent again when nobody knows if they were."""
    if not (method.idempotent or method.idempotency_header):
        return False
    return not (method.fallback and method.fallback.call) or _repeatable(
        runtime.stand_in(method, runtime)[0], runtime
    )
