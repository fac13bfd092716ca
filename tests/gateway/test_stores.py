"""One suite over both stores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.stores import SMALLEST_SWEEP, MemoryStore, Store
from tests.gateway.fakes import FakeClock

PassTime = Callable[[float], None]


def test_a_value_is_there_until_its_time_is_up(store: Store, pass_time: PassTime) -> None:
    store.set("k", b"v", ttl=100)
    pass_time(90)
    assert store.get("k") == b"v"
    assert 0 < store.ttl("k") <= 10
    pass_time(10)
    assert store.get("k") is None
    assert store.ttl("k") == 0


def test_a_value_is_any_bytes(store: Store) -> None:
    value = bytes(range(256)) * 1000
    store.set("k", value, ttl=10)
    store.set("empty", b"", ttl=10)
    assert store.get_many("k", "none", "empty") == [value, None, b""]


def test_add_writes_only_where_nothing_live_is(store: Store, pass_time: PassTime) -> None:
    assert store.add("k", b"first", ttl=10)
    assert not store.add("k", b"second", ttl=10)
    assert store.get("k") == b"first"
    pass_time(10)
    assert store.add("k", b"third", ttl=10)


def test_many_are_written_and_read_in_one_go(store: Store, pass_time: PassTime) -> None:
    values = {f"k{number}": b"%d" % number for number in range(500)}
    store.set_many(values, ttl=10)
    assert store.get_many(*values) == list(values.values())
    pass_time(10)
    assert set(store.get_many(*values)) == {None}


def test_a_forgotten_key_is_gone(store: Store) -> None:
    store.set("k", b"v", ttl=10)
    store.forget("k")
    assert store.get("k") is None


def test_a_deleted_key_is_gone_and_may_be_deleted_again(store: Store) -> None:
    store.set("k", b"v", ttl=10)
    store.delete("k")
    store.delete("k")
    assert store.get("k") is None


def test_what_is_kept_for_no_time_is_soon_gone(store: Store, pass_time: PassTime) -> None:
    store.set("k", b"v", ttl=-1)
    pass_time(0.001)
    assert store.get("k") is None


def test_counting_does_not_renew_the_time_to_live(store: Store, pass_time: PassTime) -> None:
    assert store.increment("n", ttl=100) == 1
    pass_time(60)
    assert store.increment("n", ttl=100, by=2) == 3
    assert store.ttl("n") == pytest.approx(40, abs=5)
    pass_time(40)
    assert store.increment("n", ttl=100, by=-1) == -1
    assert store.ttl("n") == pytest.approx(100, abs=5)


def test_a_lock_is_held_by_one_until_it_is_released_or_its_time_is_up(
    store: Store, pass_time: PassTime
) -> None:
    first = store.acquire("l", ttl=10)
    assert first is not None
    assert store.acquire("l", ttl=10) is None
    assert store.acquire("another", ttl=10) is not None
    store.release("l", first)
    second = store.acquire("l", ttl=10)
    assert second is not None
    assert second > first
    pass_time(10)
    third = store.acquire("l", ttl=10)
    assert third is not None
    assert third > second


def test_a_lock_is_not_released_by_who_lost_it(store: Store, pass_time: PassTime) -> None:
    late = store.acquire("l", ttl=10)
    assert late is not None
    pass_time(10)
    assert store.acquire("l", ttl=10)
    store.release("l", late)
    assert store.acquire("l", ttl=10) is None


def test_a_holder_that_came_too_late_changes_nothing(store: Store, pass_time: PassTime) -> None:
    late = store.acquire("l", ttl=10) or 0
    pass_time(10)
    holder = store.acquire("l", ttl=10) or 0
    assert store.set_fenced("v", b"new", 100, holder)
    assert not store.set_fenced("v", b"old", 100, late)
    assert store.get("v") == b"new"
    assert store.set_fenced("v", b"newer", 100, holder)
    assert store.get("v") == b"newer"
    pass_time(100)
    assert store.get("v") is None


def test_of_many_that_come_at_once_one_wins_and_no_count_is_lost(store: Store) -> None:
    def work(_: int) -> tuple[bool, bool]:
        for _ in range(25):
            store.increment("n", ttl=10)
        return store.add("nonce", b"1", ttl=10), store.acquire("l", ttl=10) is not None

    with ThreadPoolExecutor(16) as pool:
        added, locked = zip(*pool.map(work, range(16)), strict=True)

    assert added.count(True) == 1
    assert locked.count(True) == 1
    assert store.get("n") == b"400"


def test_expired_entries_do_not_pile_up_in_memory() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    for number in range(20 * SMALLEST_SWEEP):
        store.set(f"k{number}", b"v", ttl=1)
        clock.advance(0.01)
    assert len(store) <= SMALLEST_SWEEP


def test_in_a_store_of_bounded_size_the_oldest_make_room() -> None:
    store = MemoryStore(FakeClock(), most=3)
    for key in ("a", "b", "c", "a", "d"):
        store.set(key, b"v", ttl=10)
    assert [key for key in "abcd" if store.get(key)] == ["b", "c", "d"]
