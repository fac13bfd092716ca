"""Windows and leases: one suite over both stores. Redis goes by its own clock, so what it tells is
some seconds off.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.rates import Bucket, Permit, Rate, parse_rate
from gateway.stores import Store
from gateway.stores.memory import MIN_SWEEP_ENTRIES
from gateway.stores.memory_limits import MovingWindows
from gateway.stores.redis import RedisStore
from tests.gateway.fakes import FakeClock

PassTime = Callable[[float], None]
FEW = Bucket("few", Rate(3, 1000))
MORE = Bucket("more", Rate(3, 3000))


def about(seconds: float) -> Any:
    return pytest.approx(seconds, abs=30)


def use(store: Store, times: int, *buckets: Bucket, max_wait: float = 0) -> list[bool]:
    return [store.acquire_rate(buckets, max_wait).allowed for _ in range(times)]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("1/second", Rate(1, 1)),
        ("20/minute", Rate(20, 60)),
        ("5/hour", Rate(5, 3600)),
        ("7/day", Rate(7, 86400)),
    ],
)
def test_a_rate_is_so_many_in_so_many_seconds(text: str, rate: Rate) -> None:
    assert parse_rate(text) == rate


def test_as_many_as_the_rate_says_and_no_more(store: Store, pass_time: PassTime) -> None:
    assert use(store, 5, FEW) == [True, True, True, False, False]
    pass_time(950)
    assert use(store, 1, FEW) == [False]
    pass_time(50)
    assert use(store, 4, FEW) == [True, True, True, False]


def test_the_window_moves_and_does_not_begin_anew(store: Store, pass_time: PassTime) -> None:
    assert use(store, 1, FEW) == [True]
    pass_time(800)
    assert use(store, 3, FEW) == [True, True, False]
    pass_time(200)
    assert use(store, 2, FEW) == [True, False]


def test_it_tells_what_is_left_and_when_there_will_be_more(
    store: Store, pass_time: PassTime
) -> None:
    permits = []
    for _ in range(4):
        permits.append(store.acquire_rate([FEW]))
        pass_time(100)
    assert permits == [
        Permit(True, 0, 3, 2, about(1000)),
        Permit(True, 0, 3, 1, about(900)),
        Permit(True, 0, 3, 0, about(800)),
        Permit(False, about(700), 3, 0, about(700)),
    ]


def test_a_refused_use_is_none(store: Store, pass_time: PassTime) -> None:
    use(store, 3, FEW)
    pass_time(500)
    use(store, 100, FEW)
    pass_time(500)
    assert use(store, 1, FEW) == [True]


def test_who_waits_has_a_place_in_the_order_of_asking(store: Store) -> None:
    waits = [store.acquire_rate([FEW], max_wait=5000).wait for _ in range(8)]
    assert waits == [0, 0, 0, about(1000), about(1000), about(1000), about(2000), about(2000)]


def test_nobody_waits_for_a_turn_that_comes_too_late(store: Store) -> None:
    assert use(store, 9, FEW, max_wait=1500) == [True] * 6 + [False] * 3
    assert store.acquire_rate([FEW], max_wait=1500).wait == about(2000)
    assert store.acquire_rate([FEW], max_wait=2100) == Permit(
        True, about(2000), 3, 0, about(1000)
    )  # the refused hold no place


def test_who_does_not_wait_does_not_overtake_who_does(store: Store, pass_time: PassTime) -> None:
    use(store, 6, FEW, max_wait=5000)
    pass_time(1000)
    assert use(store, 1, FEW) == [False]
    pass_time(1000)
    assert use(store, 1, FEW) == [True]


def test_of_several_buckets_all_are_used_or_none(store: Store, pass_time: PassTime) -> None:
    assert use(store, 3, FEW, MORE) == [True] * 3
    pass_time(1000)
    assert store.acquire_rate([FEW, MORE]) == Permit(False, about(2000), 3, 3, 0)
    assert use(store, 4, FEW) == [True, True, True, False]


def test_a_reserved_turn_leaves_the_room_before_it_to_others(store: Store) -> None:
    use(store, 6, Bucket("slow", Rate(1, 10_000)), FEW, max_wait=100_000)
    assert use(store, 3, FEW) == [True, True, False]


def test_another_rate_for_the_same_key_counts_what_is_there(store: Store) -> None:
    use(store, 3, FEW)
    assert use(store, 1, Bucket("few", Rate(2, 1000))) == [False]
    assert store.acquire_rate([Bucket("few", Rate(4, 1000))]) == Permit(True, 0, 4, 0, about(1000))


@pytest.mark.parametrize("seed", range(5))
def test_no_span_however_laid_holds_more_than_the_rate(
    store: Store, pass_time: PassTime, clock: FakeClock, seed: int
) -> None:
    luck = random.Random(seed)
    buckets = [
        Bucket(str(n), Rate(luck.randint(1, 5), luck.choice([5000, 10_000, 30_000])))
        for n in range(3)
    ]
    uses: dict[str, list[float]] = {bucket.key: [] for bucket in buckets}
    began = time.monotonic()
    for _ in range(200):
        pass_time(luck.choice([0, 0, 100, 2500, 7000]))
        chosen = luck.sample(buckets, luck.randint(1, 3))
        turn = store.acquire_rate(chosen, max_wait=luck.choice([0, 0, 10_000, 50_000]))
        for bucket in chosen if turn.allowed else ():
            real = time.monotonic() - began if isinstance(store, RedisStore) else 0.0
            uses[bucket.key].append(clock.now() + real + turn.wait)
    for bucket in buckets:
        at = sorted(uses[bucket.key])
        assert len(at) > 2 * bucket.rate.amount
        pairs = zip(at, at[bucket.rate.amount :], strict=False)
        assert min(later - first for first, later in pairs) >= bucket.rate.window - 60


def test_threads_do_not_get_more_than_the_rate(store: Store) -> None:
    bucket = Bucket("k", Rate(50, 1000))
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: sum(use(store, 20, bucket)), range(8))) == 50


def test_what_nobody_uses_any_more_is_forgotten_in_memory() -> None:
    clock = FakeClock()
    windows = MovingWindows(clock)
    for number in range(10 * MIN_SWEEP_ENTRIES):
        windows.acquire_rate([Bucket(f"caller {number}", Rate(5, 1))])
        clock.advance(0.01)
    assert len(windows) <= MIN_SWEEP_ENTRIES


def test_what_nobody_uses_any_more_is_forgotten_on_redis(
    redis_server: Any, request: pytest.FixtureRequest
) -> None:
    store: Store = request.getfixturevalue("redis_store")
    use(store, 4, FEW, max_wait=1500)
    store.acquire_slot("k", 1, ttl=100)
    remaining = sorted(
        redis_server.client.pttl(key) / 1000 for key in redis_server.client.keys("*")
    )
    assert remaining == [about(100), about(2000)]


# Leases.


def test_so_many_at_once_and_no_more(store: Store) -> None:
    leases = [store.acquire_slot("k", 2, ttl=1000) for _ in range(3)]
    assert [lease is not None for lease in leases] == [True, True, False]
    assert store.acquire_slot("another", 1, ttl=1000) is not None
    store.release_slot("k", leases[0] or "")
    assert store.acquire_slot("k", 2, ttl=1000) is not None
    assert store.acquire_slot("k", 2, ttl=1000) is None


def test_a_place_that_is_extended_is_held_for_longer_and_one_that_is_gone_is_not(
    store: Store, pass_time: PassTime
) -> None:
    lease = store.acquire_slot("k", 1, ttl=1000) or ""
    store.renew_slot("k", lease, ttl=2000)
    pass_time(1100)
    assert store.acquire_slot("k", 1, ttl=1000) is None
    store.release_slot("k", lease)
    store.renew_slot("k", lease, ttl=1000)
    assert store.acquire_slot("k", 1, ttl=1000) is not None


def test_leaving_twice_frees_one_place(store: Store) -> None:
    lease = store.acquire_slot("k", 2, ttl=1000)
    _ = store.acquire_slot("k", 2, ttl=1000)
    store.release_slot("k", lease or "")
    store.release_slot("k", lease or "")
    assert store.acquire_slot("k", 2, ttl=1000) is not None
    assert store.acquire_slot("k", 2, ttl=1000) is None


def test_a_lease_ends_by_itself(store: Store, pass_time: PassTime) -> None:
    store.acquire_slot("k", 2, ttl=1000)
    store.acquire_slot("k", 2, ttl=3000)
    pass_time(950)
    assert store.acquire_slot("k", 2, ttl=1000) is None
    pass_time(50)
    assert store.acquire_slot("k", 2, ttl=1000) is not None
    assert store.acquire_slot("k", 2, ttl=1000) is None


def test_another_cap_counts_who_is_there(store: Store) -> None:
    for _ in range(3):
        store.acquire_slot("k", 3, ttl=1000)
    assert store.acquire_slot("k", 2, ttl=1000) is None
    assert store.acquire_slot("k", 4, ttl=1000) is not None


def test_threads_do_not_get_more_places_than_there_are(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda _: store.acquire_slot("k", 5, ttl=1000), range(80)))
    assert sum(lease is not None for lease in leases) == 5
