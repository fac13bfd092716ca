"""Identical calls in flight become one: the first asks, the others get what it got.

Within a process by a dictionary of futures; across workers by a key in the store that says who leads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from secrets import token_hex
from typing import Any

from gateway.bodies import dump_json, load_json
from gateway.clock import Clock
from gateway.errors import DeadlineExceeded, GatewayError
from gateway.middleware.answer_cache import LARGEST, Answer, Shelf

FIRST_LOOK, LAST_LOOK = (
    0.005,
    0.1,
)  # seconds between looks whether the leader in another worker is done
TOLD_FOR = 5.0  # seconds that the others have to hear what the leader came to
ASK_YOURSELF = b"{}"

Ask = Callable[[], Answer]
#: What a leader came to, an answer or a failure that nobody has raised; None where its own time ended first, or it was
#: stopped, which says nothing to the others.
Outcome = Answer | GatewayError | None


class Flights:
    """Calls in flight in this process. The lock guards one dictionary and is never held while anything is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._flying: dict[str, Future[Outcome]] = {}

    def board(self, key: str) -> tuple[Future[Outcome], bool]:
        """The flight of this key, and whether it is a new one, which the caller must ``lead``."""
        with self._lock:
            flight, new = self._flying.get(key), False
            if flight is None:
                flight, new = self._flying.setdefault(key, Future()), True
            return flight, new

    def lead(self, key: str, flight: Future[Outcome], ask: Ask, deadline: float) -> Answer:
        """Ask, and tell all who came aboard."""
        try:
            answer = ask()
        except BaseException as error:
            briefly = self._clock.now() >= deadline or not isinstance(error, Exception)
            failure = error.copy() if isinstance(error, GatewayError) else GatewayError()
            self._land(key)
            flight.set_result(None if briefly else failure)
            raise
        self._land(key)
        flight.set_result(answer)
        return answer

    def join(self, key: str, ask: Ask, deadline: float, until: float) -> Answer:
        """What ``ask`` gives, asked by the first of all who want it at once.

        :param deadline: the instant at which this caller's own time ends; infinite if it named none.
        :param until: the instant until which it waits for another's call.
        :raises DeadlineExceeded: another's call did not end in time.
        :raises GatewayError: as the first one's ``ask`` did.
        """
        while True:
            flight, new = self.board(key)
            if new:
                return self.lead(key, flight, ask, deadline)
            try:
                outcome = flight.result(max(0.0, until - self._clock.now()))
            except FutureTimeout as error:
                raise DeadlineExceeded from error
            if isinstance(outcome, GatewayError):
                raise outcome.copy()
            if outcome is not None:
                return outcome

    def _land(self, key: str) -> None:
        with self._lock:
            del self._flying[key]


class Workers:
    """Calls in flight in all workers. A leader that dies is followed by another once its ``ttl`` is over."""

    def __init__(self, shelf: Shelf, clock: Clock) -> None:
        self._shelf, self._clock = shelf, clock

    def join(
        self,
        key: str,
        ask: Ask,
        kept: Callable[[], Answer | None],
        ttl: float,
        times: tuple[float, float],
    ) -> Answer:
        """What ``ask`` gives, asked by the first of all workers that want it at once.

        :param kept: the answer that is fresh by now, if there is one; what ``ask`` keeps is told to others by this.
        :param ttl: seconds for which one may lead.
        :param times: ``deadline`` and ``until``, as of ``Flights.join``.
        :raises DeadlineExceeded: another's call did not end in time.
        :raises GatewayError: as the first one's ``ask`` did.
        """
        (deadline, until), leads, me = times, f"lead:{key}", token_hex(8).encode()
        while not self._shelf.add(leads, me, ttl):
            leader = self._shelf.get(leads)
            if leader is None:  # it was done this moment, or the store went away
                return kept() or ask()
            self._wait_while(leads, leader, until)
            answer = kept() or self._heard(leader, ask)
            if answer:
                return answer
        ends = self._clock.now() + ttl
        try:
            return kept() or self._asked(me, ask, deadline)
        finally:
            if self._clock.now() < ends:  # or it may be another's by now
                self._shelf.delete(leads)

    def _wait_while(self, key: str, value: bytes, deadline: float) -> None:
        pause = FIRST_LOOK
        while self._shelf.get(key) == value:
            left = deadline - self._clock.now()
            if left <= 0:
                raise DeadlineExceeded
            self._clock.sleep(min(pause, left))
            pause = min(2 * pause, LAST_LOOK)

    def _asked(self, me: bytes, ask: Ask, deadline: float) -> Answer:
        """Ask, and leave word of what is not kept."""
        try:
            answer = ask()
        except GatewayError as error:
            if self._clock.now() < deadline:
                self._tell(
                    me, {"error": type(error).__name__, "said": {**vars(error), "detail": None}}
                )
            raise
        if not answer.kept:
            self._tell(
                me, {"answer": {"data": answer.data, "at": answer.at, "fallback": answer.fallback}}
            )
        return answer

    def _tell(self, me: bytes, word: dict[str, Any]) -> None:
        told = dump_json(word)
        self._shelf.set(
            f"led:{me.decode()}", told if len(told) <= LARGEST else ASK_YOURSELF, TOLD_FOR
        )

    def _heard(self, leader: bytes, ask: Ask) -> Answer | None:
        """What this leader left word of; None where it left none."""
        told = self._shelf.get(f"led:{leader.decode()}")
        if not told:
            return None
        if told == ASK_YOURSELF:
            return ask()
        word = load_json(told)
        if "answer" in word:
            return Answer(**word["answer"], kept=False)
        raise _made(_KINDS[word["error"]], word["said"])


def _made(kind: type[GatewayError], said: dict[str, Any]) -> GatewayError:
    """What another worker's leader failed with."""
    error = kind.__new__(kind, said["text"])
    vars(error).update(said)
    return error


def _kinds(kind: type[GatewayError]) -> Iterator[type[GatewayError]]:
    yield kind
    for each in kind.__subclasses__():
        yield from _kinds(each)


_KINDS = {kind.__name__: kind for kind in _kinds(GatewayError)}
