"""One suite over both stores."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.errors import StoreUnavailable
from gateway.stores import BestEffortStore, FallbackStore, Generations, MemoryStore, Store
from gateway.stores.memory import MIN_SWEEP_ENTRIES
from tests.gateway.fakes import FakeClock

PassTime = Callable[[float], None]


def test_a_value_is_there_until_its_time_is_up(store: Store, pass_time: PassTime) -> None:
    store.set("k", b"v", ttl=1000)
    pass_time(900)
    assert store.get("k") == b"v"
    assert 0 < store.ttl("k") <= 100
    pass_time(100)
    assert store.get("k") is None
    assert store.ttl("k") == 0


def test_a_value_is_any_bytes(store: Store) -> None:
    value = bytes(range(256)) * 1000
    store.set("k", value, ttl=100)
    store.set("empty", b"", ttl=100)
    assert store.get_many("k", "none", "empty") == [value, None, b""]


def test_add_writes_only_where_nothing_live_is(store: Store, pass_time: PassTime) -> None:
    assert store.add("k", b"first", ttl=100)
    assert not store.add("k", b"second", ttl=100)
    assert store.get("k") == b"first"
    pass_time(100)
    assert store.add("k", b"third", ttl=100)


def test_many_are_written_and_read_in_one_go(store: Store, pass_time: PassTime) -> None:
    values = {f"k{number}": b"%d" % number for number in range(500)}
    store.set_many(values, ttl=100)
    assert store.get_many(*values) == list(values.values())
    pass_time(100)
    assert set(store.get_many(*values)) == {None}


def test_a_forgotten_key_is_gone(store: Store) -> None:
    store.set("k", b"v", ttl=100)
    store.forget("k")
    assert store.get("k") is None


def test_a_deleted_key_is_gone_and_may_be_deleted_again(store: Store) -> None:
    store.set("k", b"v", ttl=100)
    store.delete("k")
    store.delete("k")
    assert store.get("k") is None


def test_what_is_kept_for_no_time_is_soon_gone(store: Store, pass_time: PassTime) -> None:
    store.set("k", b"v", ttl=-1)
    pass_time(0.001)
    assert store.get("k") is None


def test_counting_does_not_renew_the_time_to_live(store: Store, pass_time: PassTime) -> None:
    assert store.increment("n", ttl=1000) == 1
    pass_time(600)
    assert store.increment("n", ttl=1000, by=2) == 3
    assert store.ttl("n") == pytest.approx(400, abs=50)
    pass_time(400)
    assert store.increment("n", ttl=1000, by=-1) == -1
    assert store.ttl("n") == pytest.approx(1000, abs=50)


def test_a_lock_is_held_by_one_until_it_is_released_or_its_time_is_up(
    store: Store, pass_time: PassTime
) -> None:
    first = store.acquire("l", ttl=100)
    assert first is not None
    assert store.acquire("l", ttl=100) is None
    assert store.acquire("another", ttl=100) is not None
    store.release("l", first)
    second = store.acquire("l", ttl=100)
    assert second is not None
    assert second > first
    pass_time(100)
    third = store.acquire("l", ttl=100)
    assert third is not None
    assert third > second


def test_a_lock_is_not_released_by_who_lost_it(store: Store, pass_time: PassTime) -> None:
    late = store.acquire("l", ttl=100)
    assert late is not None
    pass_time(100)
    assert store.acquire("l", ttl=100)
    store.release("l", late)
    assert store.acquire("l", ttl=100) is None


def test_a_holder_that_came_too_late_changes_nothing(store: Store, pass_time: PassTime) -> None:
    late = store.acquire("l", ttl=100) or 0
    pass_time(100)
    holder = store.acquire("l", ttl=100) or 0
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
            store.increment("n", ttl=100)
        return store.add("nonce", b"1", ttl=100), store.acquire("l", ttl=100) is not None

    with ThreadPoolExecutor(16) as pool:
        added, locked = zip(*pool.map(work, range(16)), strict=True)

    assert added.count(True) == 1
    assert locked.count(True) == 1
    assert store.get("n") == b"400"


def test_expired_entries_do_not_pile_up_in_memory() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    for number in range(20 * MIN_SWEEP_ENTRIES):
        store.set(f"k{number}", b"v", ttl=1)
        clock.advance(0.01)
    assert len(store) <= MIN_SWEEP_ENTRIES


def test_in_a_store_of_bounded_size_the_oldest_make_room() -> None:
    store = MemoryStore(FakeClock(), max_entries=3)
    for key in ("a", "b", "c", "a", "d"):
        store.set(key, b"v", ttl=10)
    assert [key for key in "abcd" if store.get(key)] == ["b", "c", "d"]


class Away(MemoryStore):
    """A shared store that can go away."""

    away = False

    def __getattribute__(self, name: str) -> Any:
        if name in OPERATIONS and self.away:
            raise StoreUnavailable
        return super().__getattribute__(name)


OPERATIONS = {
    "get",
    "get_many",
    "set",
    "add",
    "delete",
    "increment",
    "ttl",
    "acquire_rate",
    "acquire_slot",
    "renew_slot",
    "acquire",
}


@pytest.fixture
def away() -> Away:
    return Away(FakeClock())


def test_a_lock_is_held_during_its_block(store: Store) -> None:
    with store.lock("k", ttl=100) as lock:
        assert lock.fence is not None
        with store.lock("k", ttl=100) as other:
            assert other.fence is None
        assert store.acquire("k", ttl=100) is None
    with store.lock("k", ttl=100) as later:
        assert later.fence is not None
        assert later.fence > lock.fence


def test_a_lock_is_released_by_a_failure_and_not_where_it_shall_be_kept(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.lock("k", ttl=100):
        raise ZeroDivisionError
    with store.lock("k", ttl=100) as lock:
        assert lock.fence is not None
        lock.keep()
    assert store.acquire("k", ttl=100) is None


def test_a_lock_is_not_taken_from_a_store_that_is_away(away: Away) -> None:
    with away.lock("k", ttl=10):
        away.away = True
    with pytest.raises(StoreUnavailable), away.lock("k", ttl=10):
        pass


def test_counters_go_on_in_this_process_while_the_store_is_away(away: Away) -> None:
    counters = FallbackStore(away, FakeClock())
    assert counters.increment("k", ttl=10) == 1
    away.away = True
    assert counters.increment("k", ttl=10) == 1
    assert counters.increment("k", ttl=10) == 2
    assert counters.add("nonce", b"", ttl=10)
    assert not counters.add("nonce", b"", ttl=10)
    counters.delete("k")
    assert counters.ttl("k") == 0
    away.away = False
    assert counters.increment("k", ttl=10) == 2


def test_a_slot_is_given_back_where_it_is_held(away: Away) -> None:
    slots = FallbackStore(away, FakeClock())
    shared = slots.acquire_slot("k", 1, ttl=10)
    away.away = True
    local = slots.acquire_slot("k", 1, ttl=10)
    assert shared
    assert local
    assert slots.acquire_slot("k", 1, ttl=10) is None
    slots.renew_slot("k", local, ttl=20)
    slots.release_slot("k", local)
    assert slots.acquire_slot("k", 1, ttl=10)
    slots.release_slot("k", shared)
    away.away = False
    assert slots.acquire_slot("k", 1, ttl=10)


def test_what_can_be_done_without_is_not_there_while_the_store_is_away(away: Away) -> None:
    cache = BestEffortStore(away)
    cache.set("k", b"v", ttl=10)
    assert cache.get("k") == b"v"
    assert not cache.add("k", b"", ttl=10)
    away.away = True
    assert cache.get("k") is None
    assert cache.add("k", b"", ttl=10)
    cache.set("k", b"w", ttl=10)
    cache.delete("k")
    away.away = False
    assert cache.get("k") == b"v"


def test_a_generation_lasts_until_it_is_ended_or_replaced(store: Store) -> None:
    generations = Generations(store, "g:{}")
    both = generations.current("a", "b")
    one = generations.current("a")
    assert generations.current("a", "b") == both
    generations.end("b")
    assert generations.current("a") == one
    assert generations.current("a", "b") != both
    generations.replace("a")
    assert generations.current("a") != one
