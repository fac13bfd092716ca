"""What the console shows of the last hour, over all workers."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from gateway.errors import GatewayError
from gateway.stores import Store
from gateway.stores.redis import RedisStore
from gateway.telemetry.latency import bucket_of, percentile
from gateway.telemetry.service_stats import ServiceStats
from sandbox import Sandbox
from tests.gateway.conftest import Open
from tests.gateway.fakes import FakeClock, comes_true, service
from tests.redis_server import RedisServer


def calls(stats: ServiceStats, minutes_ago: int = 0, name: str = "s") -> dict[str, int]:
    minute = stats.hour().get(minutes_ago, {}).get(name)
    return dict(minute.faults) if minute else {}


def test_what_two_workers_saw_is_one_sum_minute_by_minute(
    store: Store, clock: FakeClock, pass_time: Callable[[float], None]
) -> None:
    one = ServiceStats(store, clock)
    other = ServiceStats(store, clock)
    one.add("s", "", 0.01)
    other.add("s", "", 0.01)
    other.add("s", "downstream", 1.0)
    assert comes_true(
        lambda: calls(other) == calls(one) == {"": 2, "downstream": 1}
    )  # at once, unless Redis is late
    one.add("s", "", 0.01)
    assert calls(one) == {"": 3, "downstream": 1}, "what is written again is not counted again"
    pass_time(60)
    one.add("t", "caller", 0.01)
    assert calls(one, 1) == {"": 3, "downstream": 1}
    assert calls(one, 0, "t") == {"caller": 1}
    assert one.hour() == other.hour()


def test_what_is_over_an_hour_old_is_gone(
    store: Store, clock: FakeClock, pass_time: Callable[[float], None]
) -> None:
    stats = ServiceStats(store, clock)
    stats.add("s", "", 0.01)
    stats.write()
    pass_time(59 * 60)
    assert calls(stats, 59) == {"": 1}
    pass_time(60)
    assert stats.hour() == {}


def test_while_redis_is_away_a_worker_tells_its_own_and_the_others_later(
    redis_server: RedisServer, redis_store: RedisStore, clock: FakeClock
) -> None:
    own = ServiceStats(redis_store, clock)
    elsewhere = ServiceStats(redis_store, clock)
    elsewhere.add("s", "gateway", 0.01)
    elsewhere.write()
    redis_server.kill()
    own.add("s", "", 0.01)
    assert calls(own) == {"": 1}
    clock.advance(60)
    redis_server.start()
    assert comes_true(lambda: redis_store.up)
    own.write()
    assert calls(elsewhere, 1).get("") == 1


def test_no_call_is_lost_between_threads(store: Store, clock: FakeClock) -> None:
    stats = ServiceStats(store, clock)
    over = threading.Event()
    writer = threading.Thread(
        target=lambda: all(stats.write() is None for _ in iter(over.is_set, True))
    )
    writer.start()
    noters = [
        threading.Thread(target=lambda: [stats.add("s", "", 0.001) for _ in range(2000)])
        for _ in range(4)
    ]
    for thread in noters:
        thread.start()
    for thread in noters:
        thread.join()
    over.set()
    writer.join()
    assert calls(stats) == {"": 8000}


def test_a_percentile_is_right_to_a_tenth() -> None:
    counts: dict[int, int] = {}
    for milliseconds in range(1, 1001):
        bucket = bucket_of(milliseconds / 1000)
        counts[bucket] = counts.get(bucket, 0) + 1
    assert percentile(counts, 0.5) == pytest.approx(0.5, rel=0.1)
    assert percentile(counts, 0.99) == pytest.approx(0.99, rel=0.1)
    assert percentile({}, 0.5) is None
    assert bucket_of(0) == 0


def test_a_gateway_counts_each_call_by_whose_fault_it_was(box: Sandbox, open_gate: Open) -> None:
    methods = {
        "good": {"http": "GET /items"},
        "bad": {"http": "GET /status/500"},
        "no": {"http": "GET /status/400"},
        "strict": {"http": "GET /items", "params": {"n": {"type": "integer", "required": True}}},
    }
    gate = open_gate({"s": service(box.url, methods=methods)}, clock=FakeClock())
    gate.ask("good")
    for method in ("bad", "no", "strict"):
        with pytest.raises(GatewayError):
            gate.ask(method)
    assert gate.gateway.hour()[0]["s"].faults == {
        "": 1, "downstream": 1, "rejected": 1, "caller": 1
    }  # fmt: skip
    assert gate.gateway.hour()[0]["s"].summary().failed == 1
