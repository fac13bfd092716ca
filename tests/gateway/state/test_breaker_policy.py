"""The arithmetic of the breaker."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.catalog.model import Breaker
from gateway.state.breaker import CircuitBreaker, Ticket
from tests.gateway.fakes import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def make_breaker(clock: FakeClock, **settings: Any) -> CircuitBreaker:
    return CircuitBreaker(
        clock,
        Breaker(**{"window": 10, "min_calls": 4, "failure_rate": 0.5, "open_for": 5, **settings}),
    )


def run(breaker: CircuitBreaker, outcomes: str) -> str:
    """One call for each letter, ``f`` failed and ``s`` not; the state after them."""
    for outcome in outcomes:
        ticket = breaker.acquire()
        assert ticket
        breaker.record(ticket, failed=outcome == "f")
    return breaker.state


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [("fff", "closed"), ("ffff", "open"), ("sssf", "closed"), ("ssff", "open"), ("ffss", "closed"), ("ffssf", "open"), ("sssff", "closed"),
     ("ssssssssff", "closed")],
)  # fmt: skip
def test_it_opens_at_the_failure_rate_once_there_are_enough_calls(
    clock: FakeClock, outcomes: str, state: str
) -> None:
    assert run(make_breaker(clock), outcomes) == state


def test_what_is_older_than_the_window_is_forgotten(clock: FakeClock) -> None:
    breaker = make_breaker(clock)
    run(breaker, "fff")
    clock.advance(10)
    assert run(breaker, "fff") == "closed"
    assert breaker.counts == (3, 3)


def test_the_window_slides_a_tenth_at_a_time(clock: FakeClock) -> None:
    breaker = make_breaker(clock, min_calls=100)
    for _ in range(30):
        run(breaker, "f")
        clock.advance(0.5)
    assert breaker.counts == (20, 20)


def test_open_gives_no_turn_until_its_time_is_up(clock: FakeClock) -> None:
    breaker = make_breaker(clock)
    run(breaker, "ffff")
    clock.advance(4.9)
    assert (breaker.acquire(), breaker.seconds_left()) == (None, pytest.approx(0.1))
    clock.advance(0.1)
    assert breaker.state == "half_open"
    assert breaker.acquire()


def half_open(clock: FakeClock) -> tuple[CircuitBreaker, Ticket]:
    """With its trial under way."""
    breaker = make_breaker(clock)
    run(breaker, "ffff")
    clock.advance(5)
    ticket = breaker.acquire()
    assert ticket and ticket.trial
    return breaker, ticket


def test_half_open_gives_one_turn_at_a_time(clock: FakeClock) -> None:
    breaker, _ = half_open(clock)
    clock.advance(100)
    assert (breaker.acquire(), breaker.state) == (None, "half_open")


def test_a_probe_that_succeeds_closes_and_the_past_is_forgotten(clock: FakeClock) -> None:
    breaker, ticket = half_open(clock)
    assert breaker.record(ticket, failed=False) == "closed"
    assert run(breaker, "fff") == "closed"
    assert run(breaker, "f") == "open"


def test_a_probe_that_fails_opens_for_the_whole_time_again(clock: FakeClock) -> None:
    breaker, ticket = half_open(clock)
    assert breaker.record(ticket, failed=True) == "open"
    assert breaker.seconds_left() == 5


def test_a_probe_without_a_verdict_gives_its_turn_back(clock: FakeClock) -> None:
    breaker, ticket = half_open(clock)
    breaker.release(ticket)
    assert breaker.state == "half_open"
    next_ticket = breaker.acquire()
    assert next_ticket and next_ticket.trial


def test_a_turn_given_back_late_takes_nothing_from_the_next_probe(clock: FakeClock) -> None:
    breaker, ticket = half_open(clock)
    breaker.release(ticket)
    breaker.acquire()
    breaker.release(ticket)
    assert breaker.acquire() is None


def test_calls_from_before_the_last_change_say_nothing_about_now(clock: FakeClock) -> None:
    breaker = make_breaker(clock)
    before = breaker.acquire()
    assert before
    run(breaker, "ffff")
    assert breaker.record(before, failed=False) is None
    clock.advance(5)
    probe = breaker.acquire()
    assert probe
    assert breaker.record(before, failed=False) is None and breaker.state == "half_open"
    breaker.record(probe, failed=False)
    for _ in range(10):
        breaker.record(before, failed=True)
    assert breaker.state == "closed"


def test_changed_settings_take_effect_at_once(clock: FakeClock) -> None:
    breaker = make_breaker(clock)
    run(breaker, "ff")
    breaker.settings = Breaker(window=1, min_calls=3, failure_rate=1, open_for=60)
    assert run(breaker, "f") == "open"
    assert breaker.seconds_left() == 60


def test_of_many_threads_one_gets_the_turn(clock: FakeClock) -> None:
    breaker = make_breaker(clock)
    run(breaker, "ffff")
    clock.advance(5)
    with ThreadPoolExecutor(50) as pool:
        turns = list(pool.map(lambda _: breaker.acquire(), range(500)))
    assert sum(ticket is not None for ticket in turns) == 1
