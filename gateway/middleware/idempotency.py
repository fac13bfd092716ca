"""Idempotency-Key: what was done under a key is not done again; its answer is kept for a day."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
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

RETENTION_SECONDS = 86400.0
MAX_ANSWER_BYTES = 256 * 1024  # of JSON; a larger answer is not kept
LEASE_MARGIN_SECONDS = 2.0  # a lease goes on beyond the call's time, to record the outcome
#: Vendor codes that say "not now", such as "still at work on this key", and no "no".
NOT_NOW = ("408", "409", "425")

OTHER_REQUEST = "This Idempotency-Key was used for another request; use a new one."
OUTCOME_UNKNOWN = (
    "A request with this Idempotency-Key was begun and its outcome is unknown:"
    " ask the service what it did, or use a new key to send it again."
)
ANSWER_TOO_LARGE = (
    "The request under this Idempotency-Key was done; its answer was too large to be kept."
    " Read what it did in another way."
)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")

Record = dict[str, Any]


def idempotency(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Make a call with an Idempotency-Key once, and give its first answer again.

    A failure of which it is certain that nothing was done frees the key; any other stands, unless
    sending again is safe.

    :raises InvalidParams: the method streams.
    :raises Conflict: see ``Idempotency.run``.
    :raises StoreUnavailable: a call with a key is not sent without the store.
    """
    run_once = Idempotency(runtime.store).run
    name = method.full_name
    repeatable = _is_repeatable(method, runtime)
    now = runtime.clock.now
    lease = method.deadline
    if method.has_stand_in:
        lease = 2 * method.deadline
    lease += LEASE_MARGIN_SECONDS

    def handle(call: Call) -> Result:
        key = call.idempotency_key
        if key is None:
            return next_handler(call)
        if method.stream:
            raise fields_error(
                "Idempotency-Key", ["What is streamed is not kept, so it cannot be given again."]
            )
        caller = call.caller.id
        request = (name, call.params, "all pages") if call.all_pages else (name, call.params)
        use = KeyUse(caller, key, digest(request), lease, repeatable, call.trace)
        keyed = replace(call, idempotency_key=None, vendor_key=vendor_key(caller, key, name))
        result = run_once(use, lambda: next_handler(keyed))
        detail = "first use of this key"
        if call.trace.replayed:
            detail = "the first answer, again"
        call.trace.note(now(), "idempotency", detail)
        return result

    return handle


def _is_repeatable(method: Method, runtime: Runtime) -> bool:
    """Return whether method and stand-in may be sent again when nobody knows if they were."""
    if not (method.idempotent or method.idempotency_header):
        return False
    if method.fallback and method.fallback.call:
        stand_in, _ = runtime.stand_in(method, runtime)
        return _is_repeatable(stand_in, runtime)
    return True


def check_key(text: str) -> str:
    """Return the key.

    :raises InvalidParams: it is not 1 to 255 visible ASCII characters.
    """
    if not _KEY.fullmatch(text):
        raise fields_error("Idempotency-Key", ["Must be 1 to 255 visible ASCII characters."])
    return text


def part_key(key: str | None, part: str) -> str | None:
    """Return the key of one of several calls under one key; no caller's own has a NUL."""
    if key is None:
        return None
    return f"{key}\0{part}"


def vendor_key(*names: str) -> str:
    """Return what a vendor gets for a key, the same every time; other names give another.

    It has 36 characters, which every vendor takes.
    """
    return str(uuid.uuid5(uuid.NAMESPACE_OID, "\0".join(names)))


@dataclass(frozen=True, slots=True)
class KeyUse:
    """A request under a key.

    :param fingerprint: a digest of the request, to tell another one under the same key.
    :param lease: seconds after which the process that works on it is taken for dead.
    :param repeatable: where the outcome is unknown, sending it again does no harm.
    :param trace: gets a note of a replay, and has what the attempts did.
    """

    caller: str
    key: str
    fingerprint: str
    lease: float
    repeatable: bool
    trace: Trace


class Idempotency:
    """Safe under threads, over all workers that share the store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def run(self, use: KeyUse, action: Callable[[], Result]) -> Result:
        """Return or raise what ``action`` does the first time; under the same key, the same again.

        :param action: returns data that JSON can say.
        :raises Conflict: its outcome is unknown, or the key was used for something else.
        :raises UnderWay: it is being done.
        :raises StoreUnavailable: whether it was done cannot be known; nothing is done.
        :raises GatewayError: as ``action`` did.
        """
        name = f"idempotency:{digest((use.caller, use.key))}"
        with self._store.lock(name, use.lease) as lock:
            record = self._read(name)
            if record:
                if record["asked"] != use.fingerprint:
                    raise Conflict(OTHER_REQUEST)
                if len(record) > 1:
                    use.trace.replayed = True
                    use.trace.fallback = record.get("fallback")
                    return _answer(record)
                if lock.fence is not None and not use.repeatable:
                    raise Conflict(OUTCOME_UNKNOWN)
            # Before anything is done: should this worker die, its record goes on saying "begun".
            is_first = record is None
            if lock.fence is None or not self._write_begun(
                name, lock.fence, use, is_first=is_first
            ):
                raise UnderWay(retry_after=1)
            return self._run_first(name, lock.fence, use, action)

    def _run_first(
        self, name: str, fence: int, use: KeyUse, action: Callable[[], Result]
    ) -> Result:
        try:
            result = action()
        except GatewayError as error:
            if _not_executed(error, use.trace):
                # Not deleted: that might take the record of a newer one.
                self._store.remember(name, b"", use.lease, fence)
            elif not (use.repeatable and _answer_may_come(error)):
                self._write(name, fence, use, {"error": error.to_dict()})
            raise
        outcome: Record = result.to_dict()
        if use.trace.fallback:
            outcome["fallback"] = use.trace.fallback
        self._write(name, fence, use, outcome)
        return result

    def _write_begun(self, name: str, fence: int, use: KeyUse, *, is_first: bool) -> bool:
        record = dump_json({"asked": use.fingerprint})
        try:
            return self._store.set_fenced(name, record, RETENTION_SECONDS, fence)
        except StoreUnavailable:
            if is_first:  # the store may have taken it, or may yet, and nothing is done
                self._store.remember(name, b"", use.lease, fence)
            raise

    def _write(self, name: str, fence: int, use: KeyUse, outcome: Record) -> None:
        """Record the outcome.

        The call is done whatever happens here: while the store is away, its record goes on saying
        "begun", until it is back.
        """
        record = dump_json({"asked": use.fingerprint, **outcome})
        if len(record) > MAX_ANSWER_BYTES:
            if use.repeatable:  # the next call under the key may send it again
                return
            record = dump_json({"asked": use.fingerprint, "lost": True})
        self._store.remember(name, record, RETENTION_SECONDS, fence)

    def _read(self, name: str) -> Record | None:
        value = self._store.get(name)
        return load_json(value) if value else None


def _not_executed(error: GatewayError, trace: Trace) -> bool:
    """Return whether the key may be used as if for the first time.

    A vendor's "no" is an answer, and stands.
    """
    if isinstance(error, Rejected):
        return False
    return error.not_executed and all(attempt.not_executed for attempt in trace.attempts)


def _answer_may_come(error: GatewayError) -> bool:
    """Return whether the service's answer is still to be had."""
    return not isinstance(error, Rejected) or error.vendor_code in NOT_NOW


def _answer(record: Mapping[str, Any]) -> Result:
    """Return the recorded answer.

    :raises GatewayError: the answer was a failure, or is lost.
    """
    if "lost" in record:
        raise Conflict(ANSWER_TOO_LARGE)
    if "data" in record:
        return Result.from_dict(record)
    raise GatewayError.from_dict(record["error"])
