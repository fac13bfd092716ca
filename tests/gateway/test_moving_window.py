"""The exact limit: arithmetic over a clock in the test's hands."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.policies.moving_window import SMALLEST_SWEEP, MovingWindows
from gateway.rates import Bucket, Rate, rate_of
from tests.gateway.fakes import FakeClock

SECOND = Bucket("second", rate_of("3/second"))
MINUTE = Bucket("minute", rate_of("3/minute"))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def windows(clock: FakeClock) -> MovingWindows:
    return MovingWindows(clock)


@pytest.mark.parametrize(
    ("text", "rate"),
    [("1/second", Rate(1, 1)), ("20/minute", Rate(20, 60)), ("5/hour", Rate(5, 3600)), ("7/day", Rate(7, 86400))],
)
def test_a_rate_is_so_many_in_so_many_seconds(text: str, rate: Rate) -> None:
    assert rate_of(text) == rate


def test_as_many_as_the_rate_says_and_no_more(windows: MovingWindows, clock: FakeClock) -> None:
    assert [windows.take([MINUTE]).taken for _ in range(5)] == [True, True, True, False, False]
    clock.advance(59.9)
    assert not windows.take([MINUTE]).taken
    clock.advance(0.1)
    assert [windows.take([MINUTE]).taken for _ in range(4)] == [True, True, True, False]


def test_it_is_a_moving_window_and_no_two_halves_of_two_minutes(windows: MovingWindows, clock: FakeClock) -> None:
    windows.take([MINUTE])
    clock.advance(50)
    assert [windows.take([MINUTE]).taken for _ in range(3)] == [True, True, False]
    clock.advance(10)
    assert [windows.take([MINUTE]).taken for _ in range(2)] == [True, False]


def test_it_tells_what_is_left_and_when_there_will_be_more(windows: MovingWindows, clock: FakeClock) -> None:
    told = []
    for _ in range(4):
        turn = windows.take([MINUTE])
        told.append((turn.taken, turn.wait, turn.remaining, turn.reset))
        clock.advance(5)
    assert told == [(True, 0, 2, 60), (True, 0, 1, 55), (True, 0, 0, 50), (False, 45, 0, 45)]


def test_a_refused_use_is_none(windows: MovingWindows, clock: FakeClock) -> None:
    for _ in range(3 + 1000):
        windows.take([MINUTE])
    clock.advance(60)
    assert windows.take([MINUTE]).taken


def test_who_waits_has_a_place_in_the_order_of_asking(windows: MovingWindows) -> None:
    assert [windows.take([SECOND], patience=10).wait for _ in range(8)] == [0, 0, 0, 1, 1, 1, 2, 2]


def test_nobody_waits_for_a_turn_that_comes_too_late(windows: MovingWindows) -> None:
    turns = [windows.take([SECOND], patience=1.5) for _ in range(9)]
    assert [turn.taken for turn in turns] == [True] * 6 + [False] * 3
    assert {turn.wait for turn in turns[6:]} == {2}
    assert windows.take([SECOND], patience=2.1).wait == 2  # who was refused holds no place


def test_who_does_not_wait_does_not_overtake_who_does(windows: MovingWindows, clock: FakeClock) -> None:
    for _ in range(6):
        windows.take([SECOND], patience=10)
    clock.advance(1)
    assert windows.take([SECOND]).taken is False
    clock.advance(1)
    assert windows.take([SECOND]).taken is True


def test_of_several_buckets_all_are_used_or_none(windows: MovingWindows, clock: FakeClock) -> None:
    for _ in range(3):
        assert windows.take([SECOND, MINUTE]).taken
    clock.advance(1)
    refused = windows.take([SECOND, MINUTE])
    assert (refused.taken, refused.wait) == (False, 59)
    assert [windows.take([SECOND]).taken for _ in range(4)] == [True, True, True, False]


def test_a_reserved_turn_leaves_the_room_before_it_to_others(windows: MovingWindows) -> None:
    for _ in range(6):
        windows.take([Bucket("slow", Rate(1, 10)), SECOND], patience=100)
    assert [windows.take([SECOND]).taken for _ in range(3)] == [True, True, False]


def test_another_rate_for_the_same_key_counts_what_is_there(windows: MovingWindows) -> None:
    for _ in range(3):
        windows.take([MINUTE])
    assert not windows.take([Bucket("minute", rate_of("2/minute"))]).taken
    assert windows.take([Bucket("minute", rate_of("4/minute"))]).remaining == 0


@pytest.mark.parametrize("seed", range(20))
def test_no_span_however_laid_holds_more_than_the_rate(windows: MovingWindows, clock: FakeClock, seed: int) -> None:
    luck = random.Random(seed)
    buckets = [Bucket(str(n), Rate(luck.randint(1, 5), luck.choice([0.5, 1, 3]))) for n in range(3)]
    uses: dict[str, list[float]] = {bucket.key: [] for bucket in buckets}
    for _ in range(400):
        clock.advance(luck.choice([0, 0.01, 0.25, 0.7]))
        wanted = luck.sample(buckets, luck.randint(1, 3))
        turn = windows.take(wanted, patience=luck.choice([0, 0, 1, 5]))
        for bucket in wanted if turn.taken else ():
            uses[bucket.key].append(clock.now() + turn.wait)
    for bucket in buckets:
        at = sorted(uses[bucket.key])
        assert len(at) > 20
        pairs = zip(at, at[bucket.rate.amount :], strict=False)
        assert min(later - first for first, later in pairs) >= bucket.rate.window - 1e-5


def test_what_nobody_uses_any_more_is_forgotten(windows: MovingWindows, clock: FakeClock) -> None:
    for number in range(10 * SMALLEST_SWEEP):
        windows.take([Bucket(f"caller {number}", Rate(5, 1))])
        clock.advance(0.01)
    assert len(windows) <= SMALLEST_SWEEP


def test_threads_do_not_get_more_than_the_rate(windows: MovingWindows) -> None:
    bucket = Bucket("k", Rate(100, 60))
    with ThreadPoolExecutor(8) as pool:
        taken = pool.map(lambda _: sum(windows.take([bucket]).taken for _ in range(50)), range(8))
        assert sum(taken) == 100
