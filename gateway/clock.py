"""Time, handed in rather than reached for, so that tests can hold it; threads beside the calls."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol, TypeVar

T = TypeVar("T")

#: Not 0: gevent would look only after fifty of those whether anything has come on a socket.
YIELD_SECONDS = 1e-6
#: That ``stop`` waits for all threads; they are daemons, so none can hold the process.
STOP_SECONDS = 2.0


class Clock(Protocol):
    """The time, in seconds.

    ``now`` is monotonic (instants, deadlines); ``wall`` is Unix time (what vendors and logs see).
    """

    def now(self) -> float: ...
    def wall(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(time.sleep)


def iso_utc(unix_seconds: float, digits: int = 3) -> str:
    """Return a moment in ISO 8601, in UTC, such as ``2026-01-31T08:00:00.000Z``.

    :param digits: of the second's fraction.
    """
    unit = 10**digits
    second, fraction = divmod(int(unix_seconds * unit), unit)
    return f"{_iso_second(second)}.{fraction:0{digits}}Z"


@lru_cache(maxsize=8)  # whatever is written now is of one second
def _iso_second(unix_seconds: int) -> str:
    return datetime.fromtimestamp(unix_seconds, UTC).replace(tzinfo=None).isoformat()


class Pause:
    """Called between pieces of a long piece of work: now and then lets the other greenlets run."""

    WORK_SECONDS = 0.005  # between two breaks

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_break = clock.now()

    def __call__(self) -> None:
        if self._clock.now() - self._last_break > self.WORK_SECONDS:
            self._clock.sleep(YIELD_SECONDS)
            self._last_break = self._clock.now()


class ThreadRunner(Protocol):
    """Runs in a native thread what may block one, such as a look at a disk that hangs."""

    def __call__(self, work: Callable[[], T], seconds: float) -> T:
        """Return what ``work`` returns, or raise what it raises.

        :raises TimeoutError: it did not end within so many seconds; the thread is left to it.
        """


def run_with_timeout(work: Callable[[], T], seconds: float) -> T:
    """The ``ThreadRunner`` of a process without gevent, where every thread is a native one."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  # for who waits, and not for standard error
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]


class Background:
    """Runs functions in threads (greenlets under gevent), begun after the fork, until ``stop``."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._interrupts: list[Callable[[], None]] = []
        self.stopping = threading.Event()

    def start(
        self,
        name: str,
        run: Callable[[threading.Event], None],
        interrupt: Callable[[], None] = lambda: None,
    ) -> None:
        """Run it in a thread of its own; it must return soon after its event is set.

        :param interrupt: ends what it may be waiting for other than the event.
        """
        self._interrupts.append(interrupt)
        thread = threading.Thread(
            target=run, args=(self.stopping,), name=f"postern-{name}", daemon=True
        )
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        self.stopping.set()
        for interrupt in self._interrupts:
            interrupt()
        for thread in self._threads:
            thread.join(STOP_SECONDS / len(self._threads))
        self._threads.clear()
