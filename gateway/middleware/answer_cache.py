"""Where kept answers lie: the store that all workers share, for those who can do without it."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

from gateway.bodies import digest, dump_json, load_json
from gateway.catalog.model import Method
from gateway.clock import Clock
from gateway.errors import StoreAway
from gateway.messages import Call
from gateway.stores import BestEffortStore, Generations, Store

MOST = (
    64 * 1024 * 1024
)  # bytes that one process keeps of what it was answered; beyond them its oldest make room
OVERHEAD = 512  # bytes that an answer takes beside its JSON, about
LARGEST = 1024 * 1024  # bytes of JSON; a larger answer is not kept
LOOK_EVERY = 1.0  # seconds that a generation is taken as read, so that a hit costs one look into the store, not three
GENERATION = "cache-generation:{}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one exchange gave.

    :param at: Unix seconds when it was given.
    :param fallback: who gave it, where the method itself failed.
    :param kept: it is on the shelf; so is none that a fallback gave, and none that is too large.
    """

    data: Any
    at: float
    fallback: str | None = None
    kept: bool = True


class Shelf(BestEffortStore):
    """Answers, and who asks for them; while the store is away nothing is there."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._clock = clock
        self._generations = Generations(store, GENERATION)
        self._current: dict[str, tuple[str, float]] = {}
        self._own = token_hex(8)
        self._sizes: dict[str, int] = {}  # of what this process keeps, the oldest first
        self._size = 0
        self._lock = threading.Lock()

    def read(self, key: str) -> Answer | None:
        """The answer kept under this key."""
        kept = self.get(key)
        return Answer(**load_json(kept)) if kept else None

    def keep(self, key: str, answer: Answer, ttl: float) -> bool:
        """Keep an answer for ``ttl`` seconds; False if it is too large."""
        kept = dump_json({"data": answer.data, "at": answer.at})
        if len(kept) > LARGEST:
            return False
        self.set(key, kept, ttl)
        for oldest in self._beyond(key, len(kept) + OVERHEAD):
            self.delete(oldest)
        return True

    def _beyond(self, key: str, size: int) -> list[str]:
        """What must go now that this is kept, too."""
        gone = []
        with self._lock:
            self._size += size - self._sizes.pop(key, 0)
            self._sizes[key] = size
            while self._size > MOST:
                gone.append(next(iter(self._sizes)))
                self._size -= self._sizes.pop(gone[-1])
        return gone

    def generation(self, name: str) -> str:
        """What ``clear`` changes for ``service.method``; up to LOOK_EVERY seconds old."""
        known = self._current.get(name)
        if known and self._clock.now() < known[1]:
            return known[0]
        try:
            generation = self._generations.current(name.partition(".")[0], name)
        except StoreAway:
            return self._own  # which generation counts cannot be known: what is kept meanwhile is never found again
        self._current[name] = generation, self._clock.now() + LOOK_EVERY
        return generation


def clear(store: Store, name: str) -> None:
    """No kept answer of ``service`` or ``service.method`` is used any more, LOOK_EVERY seconds from now on.

    Nothing is searched for or deleted: the next generation of answers has other keys.

    :raises StoreAway: nothing was done.
    """
    Generations(store, GENERATION).replace(name)


def declaration(method: Method) -> str:
    """A digest of all that shapes an answer, so that one given under another declaration is never used."""
    service = method.service
    params = [(param.name, param.place, param.keywords) for param in method.params]
    sent = (
        method.verb,
        service.base_urls,
        method.path,
        method.query,
        method.headers,
        params,
        method.body,
        service.auth,
    )
    return digest((*sent, method.response, method.envelope))[:16]


def question(call: Call, *, by_caller: bool) -> str:
    """A digest of the parameters, in whatever order and form they came; and of who asks, where that matters."""
    return digest((call.params, call.caller.id if by_caller else None))
