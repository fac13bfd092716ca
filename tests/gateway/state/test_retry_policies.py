"""The arithmetic of retrying."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.backoff import backoff_seconds
from gateway.state.retry_budget import RetryBudget
from tests.gateway.fakes import FakeClock


@pytest.mark.parametrize(
    ("attempt", "jitter", "seconds"),
    [(1, 1.0, 0.2), (2, 1.0, 0.4), (3, 1.0, 0.8), (4, 1.0, 1.6), (5, 1.0, 2.0), (5000, 1.0, 2.0), (3, 0.5, 0.4),
     (9, 0.0, 0.0)],
)  # fmt: skip
def test_delays_double_up_to_the_most_and_jitter_scales_them(
    attempt: int, jitter: float, seconds: float
) -> None:
    assert backoff_seconds(attempt, 0.2, 2, jitter) == pytest.approx(seconds)


def allowed(budget: RetryBudget, count: int = 1000) -> int:
    return sum(budget.allow_retry() for _ in range(count))


def test_a_quiet_service_may_retry_its_reserve() -> None:
    assert allowed(RetryBudget(FakeClock())) == 10


def test_retries_may_be_a_fifth_of_recent_calls() -> None:
    budget = RetryBudget(FakeClock())
    for _ in range(100):
        budget.record_call()
    assert allowed(budget) == 10 + 20


def test_old_calls_and_old_retries_are_forgotten_after_ten_seconds() -> None:
    clock = FakeClock()
    budget = RetryBudget(clock)
    for _ in range(100):
        budget.record_call()
    assert allowed(budget) == 30
    clock.advance(9)
    assert allowed(budget) == 0
    clock.advance(2)
    assert allowed(budget) == 10


def test_a_refused_retry_is_not_counted() -> None:
    clock = FakeClock()
    budget = RetryBudget(clock)
    allowed(budget)
    for _ in range(5):
        budget.record_call()
    assert allowed(budget) == 1


def test_threads_do_not_get_more_than_the_budget() -> None:
    budget = RetryBudget(FakeClock())
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: allowed(budget, 50), range(8))) == 10
