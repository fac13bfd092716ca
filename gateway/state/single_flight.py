"""Identical calls in flight become one: the first is sent, the others get its answer.

In a process they are futures; across workers a key in the store says who leads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from gateway.bodies import dump_json, load_json
from gateway.clock import Clock
from gateway.errors import DeadlineExceeded, GatewayError
from gateway.messages import Result
from gateway.state.answer_cache import MAX_ANSWER_BYTES, AnswerCache, CachedAnswer
from gateway.system import has_ended, process_name

FIRST_POLL_SECONDS = 0.005  # until the first look whether the leader in another worker is done
MAX_POLL_SECONDS = 0.1
OUTCOME_TTL_SECONDS = 5.0  # that the others have to read what the leader came to
TOO_LARGE = b"{}"  # an outcome that every worker has to fetch for itself

Fetch = Callable[[], CachedAnswer]


class LeaderGaveUp:
    """The leader's own time ended first, or it was stopped; that says nothing to the others."""


#: What a leader came to, an answer or a failure that nobody has raised.
Outcome = CachedAnswer | GatewayError | LeaderGaveUp
Flight = Future[Outcome]


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The instants at which a call's time ends.

    :param caller: its caller's own; infinite if that named none.
    :param wait: its own for another's call, which it waits for.
    """

    caller: float
    wait: float


class SingleFlight:
    """Calls in flight in this process; the lock is never held while anything is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}

    def do(self, key: str, fetch: Fetch, deadlines: Deadlines) -> CachedAnswer:
        """Return what ``fetch`` returns, called by the first of all who want it at once.

        :raises DeadlineExceeded: another's call did not end in time.
        :raises GatewayError: as the first one's ``fetch`` did.
        """
        while True:
            flight, is_new = self.begin(key)
            if is_new:
                return self.lead(key, flight, fetch, deadlines.caller)
            try:
                outcome = flight.result(max(0.0, deadlines.wait - self._clock.now()))
            except FutureTimeout as error:
                raise DeadlineExceeded from error
            if isinstance(outcome, GatewayError):
                raise outcome.copy()
            if not isinstance(outcome, LeaderGaveUp):
                return outcome

    def begin(self, key: str) -> tuple[Flight, bool]:
        """Return the flight of this key, and whether it is new and to be led by the caller."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = Future()
            return flight, True

    def lead(self, key: str, flight: Flight, fetch: Fetch, deadline: float) -> CachedAnswer:
        """Fetch, and give the outcome to all who wait for it."""
        try:
            answer = fetch()
        except BaseException as error:
            gave_up = self._clock.now() >= deadline or not isinstance(error, Exception)
            self._end(key)
            flight.set_result(LeaderGaveUp() if gave_up else _failure(error))
            raise
        self._end(key)
        flight.set_result(answer)
        return answer

    def _end(self, key: str) -> None:
        with self._lock:
            del self._flights[key]


def _failure(error: BaseException) -> GatewayError:
    return error.copy() if isinstance(error, GatewayError) else GatewayError()


class CrossWorkerLock:
    """Calls in flight in all workers.

    A leader that dies is followed: at once on its own machine, on others after its ``ttl``.
    """

    def __init__(self, cache: AnswerCache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock

    def do(
        self,
        key: str,
        fetch: Fetch,
        read_fresh: Callable[[], CachedAnswer | None],
        ttl: float,
        deadlines: Deadlines,
    ) -> CachedAnswer:
        """Return what ``fetch`` returns, called by the first of all workers that want it at once.

        :param read_fresh: gives the answer that is fresh by now, if there is one; by this others
            get what ``fetch`` cached.
        :param ttl: seconds for which one may lead.
        :raises DeadlineExceeded: another's call did not end in time.
        :raises GatewayError: as the first one's ``fetch`` did.
        """
        lock_key = f"lead:{key}"
        own_id = f"{token_hex(8)} {process_name()}"
        while not self._cache.add(lock_key, own_id.encode(), ttl):
            leader = self._cache.get(lock_key)
            if leader is None:  # it was done this moment, or the store went away
                return read_fresh() or fetch()
            self._wait_for(lock_key, leader, deadlines.wait)
            answer = read_fresh() or self._read_outcome(leader.decode(), fetch)
            if answer:
                return answer
        ends_at = self._clock.now() + ttl
        is_shared = self._cache.up  # while the store is away nobody hears who leads
        try:
            return read_fresh() or self._lead(own_id, fetch, deadlines.caller)
        finally:
            if is_shared and self._clock.now() < ends_at:  # or it may be another's by now
                self._cache.forget(lock_key)

    def _wait_for(self, lock_key: str, leader: bytes, wait_until: float) -> None:
        poll = FIRST_POLL_SECONDS
        _, _, process = leader.decode().partition(" ")
        while self._cache.get(lock_key) == leader:
            if has_ended(process):
                self._cache.delete(lock_key)
                return
            seconds_left = wait_until - self._clock.now()
            if seconds_left <= 0:
                raise DeadlineExceeded
            self._clock.sleep(min(poll, seconds_left))
            poll = min(2 * poll, MAX_POLL_SECONDS)

    def _lead(self, own_id: str, fetch: Fetch, deadline: float) -> CachedAnswer:
        """Fetch, and leave to the others what is not in the cache."""
        try:
            answer = fetch()
        except GatewayError as error:
            if self._clock.now() < deadline:
                self._write_outcome(own_id, {"failure": error.to_dict()})
            raise
        if not answer.stored:
            fields = {**answer.result.to_dict(), "at": answer.at, "fallback": answer.fallback}
            self._write_outcome(own_id, {"answer": fields})
        return answer

    def _write_outcome(self, leader: str, outcome: dict[str, Any]) -> None:
        value = dump_json(outcome)
        if len(value) > MAX_ANSWER_BYTES:
            value = TOO_LARGE
        self._cache.set(f"led:{leader}", value, OUTCOME_TTL_SECONDS)

    def _read_outcome(self, leader: str, fetch: Fetch) -> CachedAnswer | None:
        """Return or raise what this leader left; None where it left nothing."""
        value = self._cache.get(f"led:{leader}")
        if not value:
            return None
        if value == TOO_LARGE:
            return fetch()
        outcome = load_json(value)
        if "failure" in outcome:
            raise GatewayError.from_dict(outcome["failure"])
        if "answer" in outcome:
            answer = outcome["answer"]
            result = Result.from_dict(answer)
            return CachedAnswer(result, answer["at"], answer["fallback"], stored=False)
        return None  # a worker of an older version left it
