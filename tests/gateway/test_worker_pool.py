"""The pool that the calls of batches and aggregates run in."""

from __future__ import annotations

import threading
from queue import SimpleQueue

import pytest

from gateway.worker_pool import WorkerPool
from tests.gateway.fakes import comes_true

WAIT_SECONDS = 30


def workers(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_a_job_that_hangs_holds_no_other_up_while_there_are_workers() -> None:
    pool = WorkerPool(2, "test-hangs")
    answers: SimpleQueue[int] = SimpleQueue()
    released = threading.Event()

    pool.submit(lambda: answers.put(released.wait(WAIT_SECONDS)))
    pool.submit(lambda: answers.put(5))

    assert answers.get(timeout=WAIT_SECONDS) == 5
    released.set()
    assert answers.get(timeout=WAIT_SECONDS) == 1
    pool.close()


def test_more_jobs_than_workers_are_all_done_by_so_many_workers() -> None:
    pool = WorkerPool(3, "test-many")
    answers: SimpleQueue[int] = SimpleQueue()

    for number in range(200):
        pool.submit(lambda number=number: answers.put(number))  # type: ignore[misc]

    assert {answers.get(timeout=WAIT_SECONDS) for _ in range(200)} == set(range(200))
    assert workers("test-many") <= 3
    pool.close()


def test_a_closed_pool_does_what_it_took_and_takes_no_more() -> None:
    pool = WorkerPool(1, "test-closed")
    answers: SimpleQueue[int] = SimpleQueue()
    released = threading.Event()

    pool.submit(lambda: answers.put(released.wait(WAIT_SECONDS)))
    pool.submit(lambda: answers.put(5))
    pool.close()

    with pytest.raises(RuntimeError):
        pool.submit(lambda: answers.put(6))
    released.set()
    assert [answers.get(timeout=WAIT_SECONDS) for _ in range(2)] == [1, 5]
    assert comes_true(lambda: not workers("test-closed"))
