"""How each service has done, minute by minute over the last hour, as all workers saw it.

A call costs one append. Every second each worker adds up what came and writes its own part of the minute to the store,
under a number it took for that minute; a reader asks how many numbers were taken and reads them all. While the store is
away a worker tells what it knows itself, and writes it once the store is back.
"""

from __future__ import annotations

import math
import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import orjson

from gateway.bodies import dump_json
from gateway.clock import Clock, Pause
from gateway.errors import StoreAway
from gateway.runtime import Runtime
from gateway.stores import Store

# latency: Latencies counted in buckets, each reaching a fifth further than the last: a percentile is right to 10 %.

STEPS = 4  # buckets from a time to its double
SHORTEST = 0.0001  # seconds; what is quicker counts as this


def bucket_of(seconds: float) -> int:
    return max(0, int(math.log2(max(seconds, SHORTEST) / SHORTEST) * STEPS))


def percentile(counts: Mapping[int, int], share: float) -> float | None:
    """Seconds within which this share of the calls ended; None of no calls.

    :param counts: by bucket.
    """
    due = share * sum(counts.values())
    for bucket in sorted(counts):
        due -= counts[bucket]
        if due <= 0:
            return float(SHORTEST * 2 ** ((bucket + 0.5) / STEPS))
    return None


# tally: How each service has done, minute by minute over the last hour, as all workers saw it.

MINUTES = 60
TTL = (MINUTES + 2) * 60.0
EVERY = 1.0  # seconds
LATEST = (
    2  # minutes; a part of an older one that comes only now is missed by who has read that minute
)
MOST = 100_000  # calls that wait to be added up; a second never sees so many


@dataclass(slots=True)
class Minute:
    """What a service's calls of one minute came to.

    :param sources: how many, by whose fault they failed; "" for those that did not.
    :param latencies: how many, by ``bucket_of`` their seconds.
    """

    sources: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    _told: tuple[int, int, float | None, float | None] | None = None

    def add(self, other: Minute) -> None:
        self.sources.update(other.sources)
        self.latencies.update(other.latencies)
        self._told = None

    def told(self) -> tuple[int, int, float | None, float | None]:
        """Calls, those that failed by the gateway's or the service's fault, and the 50th and 99th percentile (s)."""
        if self._told is None:
            failed = self.sources["gateway"] + self.sources["downstream"]
            half, most = (percentile(self.latencies, share) for share in (0.5, 0.99))
            self._told = self.sources.total(), failed, half, most
        return self._told


Services = dict[str, Minute]


class Tally:
    """One for each process. Safe under threads and greenlets."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._came: deque[tuple[str, str, float]] = deque(maxlen=MOST)
        self._minutes: dict[int, Services] = {}
        self._unwritten: set[int] = set()
        self._numbers: dict[int, int] = {}  # this worker's, by minute
        self._closed: dict[int, Services] = {}  # minutes of all workers that are over
        self._lock = (
            threading.Lock()
        )  # around this worker's own numbers, never while the store is asked
        self._writing = threading.Lock()  # tried, never waited for
        self.note = self._came.append  # (service, whose fault, seconds) of a call that ended

    def run(self, stopping: threading.Event) -> None:
        """Write every second until told to stop, and once more then."""
        while not stopping.wait(EVERY):
            self.write()
        self.write()

    def write(self) -> None:
        """Tell the others; what cannot be told now is told next time."""
        if not self._writing.acquire(blocking=False):
            return
        try:
            parts = self._add_up()
            with suppress(StoreAway):
                for minute in list(parts):
                    self._store.set(f"tally:{minute}:{self._number(minute)}", parts[minute], TTL)
                    del parts[minute]
            self._unwritten |= parts.keys()
        finally:
            self._writing.release()

    def hour(self) -> dict[int, Services]:
        """What all workers' calls came to, by how many minutes ago (0: the one that runs) and by service."""
        self.write()
        this = self._this_minute()
        minutes, closed = range(this - MINUTES + 1, this + 1), self._closed
        try:
            known = closed | self._read(minute for minute in minutes if minute not in closed)
            self._closed = {
                minute: known.get(minute, {}) for minute in minutes if minute < this - LATEST
            }
        except StoreAway:
            with self._lock:
                known = {minute: _load(_dump(self._minutes.get(minute, {}))) for minute in minutes}
        return {this - minute: known[minute] for minute in minutes if known.get(minute)}

    def _this_minute(self) -> int:
        return int(self._clock.wall() // 60)

    def _add_up(self) -> dict[int, bytes]:
        """The minutes that the store has not got as they are now."""
        this = self._this_minute()
        with self._lock:
            for kept in (self._minutes, self._numbers):
                for minute in [minute for minute in kept if minute <= this - MINUTES]:
                    del kept[minute]
            if self._came:
                services = self._minutes.setdefault(this, {})
                self._unwritten.add(this)
            while self._came:
                service, source, seconds = self._came.popleft()
                counts = services.get(service)
                if counts is None:
                    counts = services[service] = Minute()
                counts.sources[source] += 1
                counts.latencies[bucket_of(seconds)] += 1
            changed, self._unwritten = self._unwritten, set()
            return {
                minute: _dump(self._minutes[minute])
                for minute in changed
                if minute in self._minutes
            }

    def _number(self, minute: int) -> int:
        if minute not in self._numbers:
            self._numbers[minute] = self._store.increment(f"tally:{minute}", TTL)
        return self._numbers[minute]

    def _read(self, which: Iterable[int]) -> dict[int, Services]:
        minutes = list(which)
        taken = self._store.get_many(*(f"tally:{minute}" for minute in minutes))
        asked = [
            (minute, number)
            for minute, count in zip(minutes, taken, strict=True)
            for number in range(1, int(count or 0) + 1)
        ]
        known: dict[int, Services] = {}
        parts = (
            self._store.get_many(*(f"tally:{minute}:{number}" for minute, number in asked))
            if asked
            else []
        )
        pause = Pause(self._clock)
        for (minute, _), part in zip(asked, parts, strict=True):
            pause()
            services = known.setdefault(minute, {})
            for service, counts in _load(part or b"{}").items():
                services.setdefault(service, Minute()).add(counts)
        return known


def _dump(services: Services) -> bytes:
    return dump_json(
        {name: [each.sources, list(each.latencies.items())] for name, each in services.items()}
    )


def _load(part: bytes) -> Services:
    plain = orjson.loads(part)
    return {
        name: Minute(Counter(sources), Counter(dict(latencies)))
        for name, (sources, latencies) in plain.items()
    }


def tally_of(parts: Runtime) -> Tally:
    """The one of this process."""
    return parts.keep("tally", lambda: Tally(parts.store, parts.clock))
