"""A bounded pool of threads, or greenlets under gevent, for jobs that report themselves.

The standard library's costs ten times the Python calls a job: a future, its condition and locks.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue

Job = Callable[[], None]


class WorkerPool:
    """Runs jobs, as many at once as there may be workers; more wait their turn.

    Its workers begin as they are needed, so after the fork.
    """

    def __init__(self, max_workers: int, name: str) -> None:
        self._max_workers = max_workers
        self._name = name
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        #: One for each worker that waits, at least: too many only while all have been started.
        self._idle: deque[None] = deque(maxlen=max_workers)
        self._workers = 0
        self._closed = False
        self._lock = threading.Lock()

    def submit(self, job: Job) -> None:
        """Have the job run; it may raise nothing.

        :raises RuntimeError: there is no thread to be had, or the pool is closed.
        """
        if self._closed:
            raise RuntimeError("The pool is closed.")
        try:
            self._idle.pop()
        except IndexError:
            if self._workers < self._max_workers:
                self._start_worker()
        self._jobs.put(job)

    def close(self) -> None:
        """Have the workers end once the jobs submitted so far have."""
        self._closed = True
        for _ in range(self._workers):
            self._jobs.put(None)

    def _start_worker(self) -> None:
        with self._lock:
            if self._workers == self._max_workers:
                return
            thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            thread.start()
            self._workers += 1

    def _work(self) -> None:
        while job := self._jobs.get():
            job()
            del job  # it holds a call's body
            self._idle.append(None)
