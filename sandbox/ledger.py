"""What was asked: the last requests, bounded in number and in memory."""

import threading
from collections import deque

from sandbox.messages import Request

MAX_REQUESTS = 10_000
MAX_BYTES = 128 * 1024 * 1024


class Ledger:
    """Thread-safe. `total` counts every request, also those no longer kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[Request] = deque()
        self._bytes = 0
        self.total = 0

    def add(self, request: Request) -> None:
        with self._lock:
            self.total += 1
            self._kept.append(request)
            self._bytes += len(request.body)
            while len(self._kept) > 1 and (len(self._kept) > MAX_REQUESTS or self._bytes > MAX_BYTES):
                self._bytes -= len(self._kept.popleft().body)

    def requests(self) -> list[Request]:
        with self._lock:
            return list(self._kept)

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = self.total = 0
