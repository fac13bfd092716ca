"""Answers kept for a while, one exchange for all who ask the same at once, and a stale answer rather than none."""

from __future__ import annotations

import functools
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from functools import partial

from gateway.catalog.model import CachePolicy, Method
from gateway.errors import GatewayError, is_failure
from gateway.messages import Call, Result, Trace
from gateway.middleware.answer_cache import Answer, Shelf, declaration, question
from gateway.middleware.fallback import stood_in
from gateway.middleware.single_flight import Flights, Outcome, Workers
from gateway.runtime import Handler, Runtime

RENEWALS = (
    16  # renewals in the background at once, in one process; beyond that the next call tries again
)
NEVER = math.inf  # seconds: the age of what is not there


def cache(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Keeps good answers of the method itself by its parameters; ``Trace.cache`` says what a call got.

    ``HIT``: kept, or given to an identical call at the same time. ``MISS``: this call was sent. ``STALE``: kept, and
    being renewed in the background, or used because the service fails.
    """
    return (
        _Cache(method, method.cache, runtime, next_handler).handle if method.cache else next_handler
    )


class _Cache:
    def __init__(
        self, method: Method, policy: CachePolicy, runtime: Runtime, next_handler: Handler
    ) -> None:
        self._method, self._policy, self._runtime, self._next = (
            method,
            policy,
            runtime,
            next_handler,
        )
        self._clock = runtime.clock
        self._shelf: Shelf = runtime.keep("shelf", lambda: Shelf(runtime.store, runtime.clock))
        self._flights: Flights = runtime.keep("flights", lambda: Flights(runtime.clock))
        self._workers = Workers(self._shelf, runtime.clock)
        self._outcome = functools.cache(
            partial(runtime.metrics.cache.labels, method.service.name, method.name)
        )
        self._slots: threading.Semaphore = runtime.keep(
            "renewals", lambda: threading.Semaphore(RENEWALS)
        )
        self._keys = f"cache:{method.full_name}:{declaration(method)}"
        self._alone = not (method.fallback or method.service.backup_url)
        self._longest = (
            method.deadline if self._alone else 2 * method.deadline + 1
        )  # seconds; each has its own time

    def handle(self, call: Call) -> Result:
        policy, key = self._policy, self._key(call)
        kept = self._shelf.read(key)
        age = self._age(kept)
        if kept and age < policy.ttl:
            return self._told(call, kept, "HIT")
        if kept and age < policy.ttl + policy.stale_while_revalidate:
            self._renew(key, call)
            return self._told(call, kept, "STALE")
        until = min(call.deadline, self._clock.now() + self._longest)
        try:
            answer = self._flights.join(key, self._asking(key, call, until), call.deadline, until)
        except GatewayError as error:
            if kept and age < policy.ttl + policy.stale_if_error and is_failure(error):
                result = self._told(call, kept, "STALE")
                stood_in(self._runtime, self._method, call, error, "stale")
                return result
            call.trace.cache = "MISS"
            self._outcome("miss").inc()
            raise
        if call.trace.cache != "MISS":
            return self._told(call, answer, "HIT", "collapsed")
        self._outcome("miss").inc()
        return Result(answer.data)

    def _key(self, call: Call) -> str:
        generation = self._shelf.generation(self._method.full_name)
        return (
            f"{self._keys}:{generation}:{question(call, by_caller=self._policy.vary == 'caller')}"
        )

    def _age(self, kept: Answer | None) -> float:
        """Seconds; by the wall clock, which workers on several machines share, and which may be set back."""
        return max(0.0, self._clock.wall() - kept.at) if kept else NEVER

    def _told(self, call: Call, answer: Answer, how: str, outcome: str = "") -> Result:
        call.trace.note(self._clock.now(), "cache", outcome or how.lower())
        self._outcome(outcome or how.lower()).inc()
        call.trace.cache, call.trace.age, call.trace.fallback = (
            how,
            self._age(answer),
            answer.fallback,
        )
        return Result(answer.data)

    def _asking(self, key: str, call: Call, until: float) -> Callable[[], Answer]:
        """What the first of several identical calls in this process does; waiting is part of its time."""
        mine = replace(call, deadline=until) if self._alone else call

        def fresh() -> Answer | None:
            kept = self._shelf.read(key)
            return kept if self._age(kept) < self._policy.ttl else None

        longest, times = self._longest, (call.deadline, until)
        return lambda: self._workers.join(key, lambda: self._ask(key, mine), fresh, longest, times)

    def _ask(self, key: str, call: Call) -> Answer:
        policy, call.trace.cache = self._policy, "MISS"
        call.trace.note(self._clock.now(), "cache", "miss")
        data = self._next(call).data
        answer = Answer(data, self._clock.wall(), call.trace.fallback)
        stale = max(policy.stale_while_revalidate, policy.stale_if_error)
        kept = not answer.fallback and self._shelf.keep(key, answer, policy.ttl + stale)
        return answer if kept else replace(answer, kept=False)

    def _renew(self, key: str, call: Call) -> None:
        """Ask again in the background, unless somebody does already."""
        if not self._slots.acquire(blocking=False):
            return
        flight, new = self._flights.board(key)
        if not new:
            self._slots.release()
            return
        call.trace.note(self._clock.now(), "cache", "renewal begun in the background")
        call = replace(call, timeout=None, deadline=math.inf, trace=Trace())
        thread = threading.Thread(
            target=self._renewal, args=(key, flight, call), name="postern-renewal", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads to be had; but those aboard count on it
            self._renewal(key, flight, call)

    def _renewal(self, key: str, flight: Future[Outcome], call: Call) -> None:
        try:
            until = self._clock.now() + self._longest
            self._flights.lead(key, flight, self._asking(key, call, until), call.deadline)
        except GatewayError as error:
            self._runtime.log.warning(
                "renewal failed",
                request_id=call.request_id,
                service=call.service,
                method=call.method,
                code=error.code,
            )
        finally:
            self._slots.release()
