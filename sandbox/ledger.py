"""The last requests, bounded in number and in memory, and how many there were at once."""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from sandbox.messages import Request

MAX_REQUESTS = 10_000
MAX_BYTES = 128 * 1024 * 1024


class Ledger:
    """Thread-safe. `total` counts every request, also those no longer stored; `most_at_once` is the
    most that were inside `entry` at one moment.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[Request] = deque()
        self._bytes = 0
        self.total = 0
        self.most_at_once = 0
        self._at_once = 0

    @contextmanager
    def entry(self, request: Request) -> Iterator[None]:
        """Count a request while it waits for its answer, until just before the first byte is sent:
        a client may then send its next.
        """
        self._add(request)
        try:
            yield
        finally:
            with self._lock:
                self._at_once -= 1

    def _add(self, request: Request) -> None:
        with self._lock:
            self.total += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._requests.append(request)
            self._bytes += len(request.body)
            while len(self._requests) > 1 and (
                len(self._requests) > MAX_REQUESTS or self._bytes > MAX_BYTES
            ):
                self._bytes -= len(self._requests.popleft().body)

    def requests(self) -> list[Request]:
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        with self._lock:
            self._requests.clear()
            self._bytes = 0
            self.total = 0
            self.most_at_once = self._at_once
