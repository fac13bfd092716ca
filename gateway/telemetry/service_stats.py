"""How each service has done, minute by minute over the last hour, as all workers saw it.

A call costs one append. Every second each worker writes its own part of the minute to the store,
under a number it took for that minute; a reader reads all numbers that were taken. While the store
is away a worker shows what it counted itself, and writes it once the store is back.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from gateway.bodies import dump_json
from gateway.clock import Clock, Pause
from gateway.errors import StoreUnavailable
from gateway.stores import Store
from gateway.telemetry.latency import bucket_of, percentile

MINUTES = 60
TTL_SECONDS = (MINUTES + 2) * 60.0
FLUSH_SECONDS = 1.0
#: Minutes that may still change; a part of an older one that comes later is missed by those who
#: have read that minute.
OPEN_MINUTES = 2
MAX_PENDING_CALLS = 100_000  # calls that wait to be added up; a second never sees so many


class Summary(NamedTuple):
    """Calls summed up.

    :param failed: calls that failed by the gateway's or the service's fault.
    :param p50: seconds, as ``p99``; None where there were no calls.
    """

    calls: int
    failed: int
    p50: float | None
    p99: float | None


@dataclass(slots=True)
class Minute:
    """A service's calls of one minute.

    :param faults: calls by whose fault they failed (``fault_of``); "" for those that did not.
    :param latencies: calls by ``bucket_of`` their seconds.
    """

    faults: Counter[str] = field(default_factory=Counter)
    latencies: Counter[int] = field(default_factory=Counter)
    _summary: Summary | None = None

    def add(self, other: Minute) -> None:
        self.faults.update(other.faults)
        self.latencies.update(other.latencies)
        self._summary = None

    def summary(self) -> Summary:
        if self._summary is None:
            self._summary = Summary(
                self.faults.total(),
                self.faults["gateway"] + self.faults["downstream"],
                percentile(self.latencies, 0.5),
                percentile(self.latencies, 0.99),
            )
        return self._summary


Services = dict[str, Minute]


class ServiceStats:
    """One for each process. Safe under threads and greenlets."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._pending: deque[tuple[str, str, float]] = deque(maxlen=MAX_PENDING_CALLS)
        self._minutes: dict[int, Services] = {}  # what this worker counted
        self._unwritten: set[int] = set()
        self._numbers: dict[int, int] = {}  # of this worker's part, by minute
        self._closed: dict[int, Services] = {}  # minutes of all workers that are over
        self._lock = threading.Lock()  # around this worker's counts, never while the store is asked
        self._write_lock = threading.Lock()  # tried, never waited for

    def add(self, service: str, fault: str, seconds: float) -> None:
        """Count a call that ended.

        :param fault: by whose it failed; "" if it did not.
        """
        self._pending.append((service, fault, seconds))

    def run(self, stopping: threading.Event) -> None:
        """Write every second until ``stopping`` is set, and once more then."""
        while not stopping.wait(FLUSH_SECONDS):
            self.write()
        self.write()

    def write(self) -> None:
        """Write what changed to the store; should it be away, that is written the next time."""
        if not self._write_lock.acquire(blocking=False):
            return
        try:
            parts = self._add_up()
            with suppress(StoreUnavailable):
                for minute in list(parts):
                    key = f"tally:{minute}:{self._number(minute)}"
                    self._store.set(key, parts[minute], TTL_SECONDS)
                    del parts[minute]
            self._unwritten |= parts.keys()
        finally:
            self._write_lock.release()

    def hour(self) -> dict[int, Services]:
        """Return all workers' counts by minutes ago (0: the running one) and by service."""
        self.write()
        this_minute = self._this_minute()
        minutes = range(this_minute - MINUTES + 1, this_minute + 1)
        closed = self._closed
        try:
            stats = closed | self._read(minute for minute in minutes if minute not in closed)
            self._closed = {
                minute: stats.get(minute, {})
                for minute in minutes
                if minute < this_minute - OPEN_MINUTES
            }
        except StoreUnavailable:
            with self._lock:  # copies, because the counts go on
                stats = {minute: _load(_dump(self._minutes.get(minute, {}))) for minute in minutes}
        return {this_minute - minute: stats[minute] for minute in minutes if stats.get(minute)}

    def _this_minute(self) -> int:
        return int(self._clock.wall() // 60)

    def _add_up(self) -> dict[int, bytes]:
        """Add up the pending calls; return the minutes that changed since the store got them."""
        this_minute = self._this_minute()
        with self._lock:
            self._drop_before(this_minute - MINUTES + 1)
            if self._pending:
                self._count_pending(self._minutes.setdefault(this_minute, {}))
                self._unwritten.add(this_minute)
            changed = self._unwritten & self._minutes.keys()
            self._unwritten = set()
            return {minute: _dump(self._minutes[minute]) for minute in changed}

    def _drop_before(self, oldest: int) -> None:
        for minute in [minute for minute in self._minutes if minute < oldest]:
            del self._minutes[minute]
        for minute in [minute for minute in self._numbers if minute < oldest]:
            del self._numbers[minute]

    def _count_pending(self, services: Services) -> None:
        while self._pending:
            service, fault, seconds = self._pending.popleft()
            counts = services.get(service)
            if counts is None:
                counts = services[service] = Minute()
            counts.faults[fault] += 1
            counts.latencies[bucket_of(seconds)] += 1

    def _number(self, minute: int) -> int:
        if minute not in self._numbers:
            self._numbers[minute] = self._store.increment(f"tally:{minute}", TTL_SECONDS)
        return self._numbers[minute]

    def _read(self, minute_numbers: Iterable[int]) -> dict[int, Services]:
        """Return minutes as all workers wrote them."""
        minutes = list(minute_numbers)
        part_counts = self._store.get_many(*(f"tally:{minute}" for minute in minutes))
        places = [
            (minute, number)
            for minute, count in zip(minutes, part_counts, strict=True)
            for number in range(1, int(count or 0) + 1)
        ]
        if not places:
            return {}
        keys = [f"tally:{minute}:{number}" for minute, number in places]
        stats: dict[int, Services] = {}
        pause = Pause(self._clock)
        for (minute, _), part in zip(places, self._store.get_many(*keys), strict=True):
            pause()
            services = stats.setdefault(minute, {})
            for service, counts in _load(part or b"{}").items():
                services.setdefault(service, Minute()).add(counts)
        return stats


def _dump(services: Services) -> bytes:
    return dump_json(
        {name: [minute.faults, list(minute.latencies.items())] for name, minute in services.items()}
    )


def _load(part: bytes) -> Services:
    services = orjson.loads(part)
    return {
        name: Minute(Counter(faults), Counter(dict(latencies)))
        for name, (faults, latencies) in services.items()
    }
