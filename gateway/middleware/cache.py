"""Answers cached for a while; one exchange serves all who ask the same at once."""

from __future__ import annotations

import math
import threading
from dataclasses import replace
from functools import partial

from gateway.catalog.model import CachePolicy, Method
from gateway.errors import GatewayError, is_failure
from gateway.messages import Call, Result, Trace
from gateway.middleware.fallback import note_fallback
from gateway.runtime import Handler, Runtime
from gateway.state.answer_cache import CachedAnswer, declaration_digest, params_digest
from gateway.state.single_flight import CrossWorkerLock, Deadlines, Fetch, Flight


def cache(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Cache good answers of the method itself by its parameters; ``Trace.cache`` tells of it.

    ``HIT``: cached, or given to an identical call at the same time. ``MISS``: this call was sent.
    ``STALE``: cached, and being renewed in the background, or used because the service fails.
    """
    policy = method.cache
    if policy is None:
        return next_handler
    answers = _Answers(next_handler, method, policy, runtime)
    read = runtime.answers.read

    def handle(call: Call) -> Result:
        key = answers.key(call)
        entry = read(key)
        age = answers.age(entry)
        if entry and age < policy.ttl:
            return answers.serve(call, entry, age, "HIT")
        if entry and age < policy.ttl + policy.stale_while_revalidate:
            answers.renew(key, call)
            return answers.serve(call, entry, age, "STALE")
        try:
            answer = answers.fetch_once(key, call)
        except GatewayError as error:
            if entry and age < policy.ttl + policy.stale_if_error and is_failure(error):
                result = answers.serve(call, entry, answers.age(entry), "STALE")
                note_fallback(runtime, method, call, error, "stale")
                return result
            answers.note_miss(call)
            raise
        if call.trace.cache == "MISS":
            answers.note_miss(call)
            return answer.result
        return answers.serve(call, answer, answers.age(answer), "HIT", "collapsed")

    return handle


class _Answers:
    """The answers of one method: read, asked for, renewed."""

    def __init__(
        self, next_handler: Handler, method: Method, policy: CachePolicy, runtime: Runtime
    ) -> None:
        self._next = next_handler
        self._method = method
        self._policy = policy
        self._runtime = runtime
        self._clock = runtime.clock
        self._cache = runtime.answers
        self._single_flight = runtime.single_flight
        self._workers = CrossWorkerLock(runtime.answers, runtime.clock)
        self._count = runtime.metrics.cache_counter(method.service.name, method.name)
        self._name = method.full_name
        self._by_caller = policy.vary == "caller"
        self._key_prefix = f"cache:{method.full_name}:{declaration_digest(method)}"
        self._has_stand_in = method.has_stand_in
        self._max_seconds = method.deadline
        if method.has_stand_in:
            self._max_seconds = 2 * method.deadline + 1

    def key(self, call: Call) -> str:
        generation = self._cache.generation(self._name)
        params = params_digest(call, by_caller=self._by_caller)
        return f"{self._key_prefix}:{generation}:{params}"

    def age(self, entry: CachedAnswer | None) -> float:
        """Return seconds, infinite where there is nothing.

        By the wall clock, which workers on several machines share, and which may be set back.
        """
        if entry is None:
            return math.inf
        return max(0.0, self._clock.wall() - entry.at)

    def serve(
        self, call: Call, answer: CachedAnswer, age: float, status: str, outcome: str = ""
    ) -> Result:
        """Return the answer and tell of it.

        :param age: seconds.
        :param status: ``HIT`` or ``STALE``.
        :param outcome: as it is counted, where it is another word.
        """
        outcome = outcome or status.lower()
        trace = call.trace
        trace.note(self._clock.now(), "cache", outcome)
        self._count(outcome)
        trace.cache = status
        trace.age = age
        trace.fallback = answer.fallback
        return answer.result

    def note_miss(self, call: Call) -> None:
        call.trace.cache = "MISS"
        self._count("miss")

    def fetch_once(self, key: str, call: Call) -> CachedAnswer:
        """Return what the service answers to the first of all identical calls."""
        deadlines = self._deadlines(call)
        return self._single_flight.do(key, self._fetcher(key, call, deadlines), deadlines)

    def renew(self, key: str, call: Call) -> None:
        """Fetch again in the background, unless somebody does already."""
        if not self._runtime.renewal_slots.acquire(blocking=False):
            return
        flight, is_new = self._single_flight.begin(key)
        if not is_new:
            self._runtime.renewal_slots.release()
            return
        call.trace.note(self._clock.now(), "cache", "renewal begun in the background")
        # The renewal is nobody's call: it neither hurries as the caller does nor writes its trace.
        call = replace(call, timeout=None, deadline=math.inf, trace=Trace())
        thread = threading.Thread(
            target=self._renew, args=(key, flight, call), name="postern-renewal", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # no more threads to be had; but others wait for this flight
            self._renew(key, flight, call)

    def _renew(self, key: str, flight: Flight, call: Call) -> None:
        try:
            fetch = self._fetcher(key, call, self._deadlines(call))
            self._single_flight.lead(key, flight, fetch, call.deadline)
        except GatewayError as error:
            self._runtime.log.warning(
                "renewal failed",
                request_id=call.request_id,
                service=call.service,
                method=call.method,
                code=error.code,
            )
        finally:
            self._runtime.renewal_slots.release()

    def _deadlines(self, call: Call) -> Deadlines:
        wait_until = min(call.deadline, self._clock.now() + self._max_seconds)
        return Deadlines(call.deadline, wait_until)

    def _fetcher(self, key: str, call: Call, deadlines: Deadlines) -> Fetch:
        """Return what the first of several identical calls in this process does.

        Its time is also that of waiting for other workers.
        """
        own_call = call
        if not self._has_stand_in:  # a stand-in has time beyond the method's own deadline
            own_call = replace(call, deadline=deadlines.wait)

        def read_fresh() -> CachedAnswer | None:
            entry = self._cache.read(key)
            return entry if self.age(entry) < self._policy.ttl else None

        fetch: Fetch = partial(self._fetch, key, own_call)
        return partial(self._workers.do, key, fetch, read_fresh, self._max_seconds, deadlines)

    def _fetch(self, key: str, call: Call) -> CachedAnswer:
        call.trace.cache = "MISS"
        call.trace.note(self._clock.now(), "cache", "miss")
        result = self._next(call)
        answer = CachedAnswer(result, self._clock.wall(), call.trace.fallback)
        stale_seconds = max(self._policy.stale_while_revalidate, self._policy.stale_if_error)
        if answer.fallback:
            return replace(answer, stored=False)
        stored = self._cache.write(key, answer, self._policy.ttl + stale_seconds)
        return replace(answer, stored=stored)
