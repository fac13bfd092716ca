from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.stores import SMALLEST_SWEEP, MemoryStore
from tests.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock)


def test_a_value_is_there_until_its_time_is_up(store: MemoryStore, clock: FakeClock) -> None:
    store.set("k", b"v", ttl=10)
    clock.advance(9.9)
    assert store.get("k") == b"v"
    clock.advance(0.1)
    assert store.get("k") is None


def test_add_writes_only_where_nothing_live_is(store: MemoryStore, clock: FakeClock) -> None:
    assert store.add("k", b"first", ttl=10)
    assert not store.add("k", b"second", ttl=10)
    assert store.get("k") == b"first"
    clock.advance(10)
    assert store.add("k", b"third", ttl=10)


def test_a_deleted_key_is_gone_and_may_be_deleted_again(store: MemoryStore) -> None:
    store.set("k", b"v", ttl=10)
    store.delete("k")
    store.delete("k")
    assert store.get("k") is None


def test_counting_does_not_renew_the_time_to_live(store: MemoryStore, clock: FakeClock) -> None:
    assert store.increment("n", ttl=10) == 1
    clock.advance(6)
    assert store.increment("n", ttl=10, by=2) == 3
    assert store.ttl("n") == pytest.approx(4)
    clock.advance(4)
    assert store.ttl("n") == 0
    assert store.increment("n", ttl=10) == 1


def test_expired_entries_do_not_pile_up(store: MemoryStore, clock: FakeClock) -> None:
    for number in range(20 * SMALLEST_SWEEP):
        store.set(f"k{number}", b"v", ttl=1)
        clock.advance(0.01)
    assert len(store) <= SMALLEST_SWEEP


def test_of_many_that_add_at_once_one_wins_and_no_count_is_lost(store: MemoryStore) -> None:
    def work(_: int) -> bool:
        for _ in range(100):
            store.increment("n", ttl=10)
        return store.add("nonce", b"1", ttl=10)

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(work, range(16)))

    assert won.count(True) == 1
    assert store.get("n") == b"1600"
