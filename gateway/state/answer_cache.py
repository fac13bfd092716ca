"""Where cached answers lie: the store that all workers share, for those who can do without it."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from secrets import token_hex
from typing import Any

from gateway.bodies import digest, dump_json, load_json
from gateway.catalog.model import Method
from gateway.clock import Clock
from gateway.errors import StoreUnavailable
from gateway.messages import NO_EXTRAS, Call, Extras, Result
from gateway.stores import BestEffortStore, Generations, Store

MAX_CACHE_BYTES = 64 * 1024 * 1024  # that one process adds; beyond them its oldest make room
ENTRY_OVERHEAD_BYTES = 512  # that an answer takes beside its JSON, about
MAX_ANSWER_BYTES = 1024 * 1024  # of JSON; a larger answer is not cached
#: A generation is taken as read that long, so that a hit costs one look into the store, not three.
GENERATION_SECONDS = 1.0
GENERATION_KEY = "cache-generation:{}"
# An entry is JSON, {"data": ..., "at": ...}, which is read without parsing the data. Extras are a
# line before it, where an answer has any; JSON that we write has no line ends.
_DATA = b'{"data":'
_AT = b',"at":'
_END = b"}"
_LINE_END = b"\n"


class StoredResult(Result):
    """A cached answer: whoever sends it on as it is does not have to read it.

    :ivar json: the data as JSON text.
    """

    __slots__ = ("json",)

    json: bytes

    def __init__(self, json: bytes, extras: Extras = NO_EXTRAS) -> None:
        object.__setattr__(self, "json", json)
        object.__setattr__(self, "extras", extras)

    @property
    def data(self) -> Any:
        return load_json(self.json)


@dataclass(frozen=True, slots=True)
class CachedAnswer:
    """The answer of one exchange.

    :param at: Unix seconds when it was given.
    :param fallback: who gave it, where the method itself failed.
    :param stored: in the cache, which takes no fallback's and none that is too large.
    """

    result: Result
    at: float
    fallback: str | None = None
    stored: bool = True


class AnswerCache(BestEffortStore):
    """Answers, and who asks for them; while the store is away nothing is there."""

    def __init__(self, store: Store, clock: Clock) -> None:
        super().__init__(store)
        self._clock = clock
        self._generations = Generations(store, GENERATION_KEY)
        self._current: dict[str, tuple[str, float]] = {}  # with the instant they are good until
        self._private_generation = token_hex(8)
        self._sizes: dict[str, int] = {}  # bytes of what this process added, the oldest first
        self._size = 0
        self._lock = threading.Lock()

    def read(self, key: str) -> CachedAnswer | None:
        """Return the answer cached under this key."""
        entry = self.get(key)
        if not entry:
            return None
        extras = NO_EXTRAS
        if not entry.startswith(_DATA):
            line, _, entry = entry.partition(_LINE_END)
            extras = Extras.from_dict(load_json(line))
        json, _, at = entry[len(_DATA) : -len(_END)].rpartition(_AT)
        return CachedAnswer(StoredResult(json, extras), float(at))

    def write(self, key: str, answer: CachedAnswer, ttl: float) -> bool:
        """Cache an answer for ``ttl`` seconds; return False if it is too large."""
        entry = _DATA + dump_json(answer.result.data) + _AT + dump_json(answer.at) + _END
        if extras := answer.result.extras.to_dict():
            entry = dump_json(extras) + _LINE_END + entry
        if len(entry) > MAX_ANSWER_BYTES:
            return False
        self.set(key, entry, ttl)
        for old_key in self._make_room(key, len(entry) + ENTRY_OVERHEAD_BYTES):
            self.delete(old_key)
        return True

    def generation(self, name: str) -> str:
        """Return what ``clear`` changes for ``service.method``; up to GENERATION_SECONDS old."""
        current = self._current.get(name)
        if current and self._clock.now() < current[1]:
            return current[0]
        service, _, _ = name.partition(".")
        try:
            generation = self._generations.current(service, name)
        except StoreUnavailable:
            # Which generation counts cannot be known: what is cached meanwhile is never read again.
            return self._private_generation
        self._current[name] = generation, self._clock.now() + GENERATION_SECONDS
        return generation

    def _make_room(self, key: str, size: int) -> list[str]:
        """Count one more entry; return the keys of those that must go for it."""
        evicted = []
        with self._lock:
            self._size += size - self._sizes.pop(key, 0)
            self._sizes[key] = size
            while self._size > MAX_CACHE_BYTES:
                oldest = next(iter(self._sizes))
                self._size -= self._sizes.pop(oldest)
                evicted.append(oldest)
        return evicted


def clear(store: Store, name: str) -> None:
    """Let no cached answer of ``service`` or ``service.method`` be used from GENERATION_SECONDS on.

    :raises StoreUnavailable: nothing was done.
    """
    Generations(store, GENERATION_KEY).replace(name)


def declaration_digest(method: Method) -> str:
    """Digest all that shapes an answer: one given under another declaration is never used."""
    service = method.service
    params = [(param.name, param.place, param.keywords) for param in method.params]
    request = (
        method.verb,
        service.base_urls,
        method.path,
        method.query,
        method.headers,
        params,
        method.body,
        service.auth,
    )
    answer: tuple[object, ...] = (method.response, method.envelope, *method.response_headers)
    if method.paginate:
        answer = (*answer, asdict(method.paginate))
    if method.check_returns == "fail":
        answer = (*answer, method.returns)
    return digest((*request, *answer))[:16]


def params_digest(call: Call, *, by_caller: bool) -> str:
    """Digest the parameters, in whatever order they came; and the caller, where that matters."""
    request = (call.params, call.caller.id if by_caller else None)
    return digest((*request, "all pages") if call.all_pages else request)
