"""A call with an Idempotency-Key is made once; its first answer is given again."""

from __future__ import annotations

from dataclasses import replace

from gateway.bodies import digest
from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.errors import fields_error
from gateway.idempotency import MARGIN, Idempotency, Use, vendor_key
from gateway.parts import Handler, Parts


def idempotency(method: Method, parts: Parts, following: Handler) -> Handler:
    """A failure of which it is certain that nothing was done frees the key; any other stands, unless sending again is
    safe.

    :raises InvalidParams: the method streams.
    :raises Conflict: see ``gateway.idempotency``.
    :raises StoreAway: a call with a key is not sent without the store.
    """
    once, name, repeatable = Idempotency(parts.store), method.full_name, _repeatable(method, parts)
    now = parts.clock.now
    stand_in = method.fallback or method.service.backup_url
    lease = method.deadline * (2 if stand_in else 1) + MARGIN  # who stands in has time of its own

    def handle(call: Call) -> Result:
        caller, key = call.caller.id, call.idempotency_key
        if key is None:
            return following(call)
        if method.stream:
            raise fields_error("Idempotency-Key", ["What is streamed is not kept, so it cannot be given again."])
        use = Use(caller, key, digest((name, call.params)), lease, repeatable, call.trace)
        mine = replace(call, idempotency_key=None, vendor_key=vendor_key(caller, key, name))
        result = Result(once.run(use, lambda: following(mine).data))
        call.trace.note(
            now(), "idempotency", "the first answer, again" if call.trace.replayed else "first use of this key"
        )
        return result

    return handle


def _repeatable(method: Method, parts: Parts) -> bool:
    """Whether the method, and the one that stands in for it, may be sent again when nobody knows if they were."""
    if not (method.idempotent or method.idempotency_header):
        return False
    return not (method.fallback and method.fallback.call) or _repeatable(parts.stand_in(method, parts)[0], parts)
