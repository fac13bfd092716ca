"""Probes: what makes a service down and up again, who asks, and what a call gets meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from platform import node
from typing import Any

import pytest

from gateway.catalog.model import Health
from gateway.errors import StoreUnavailable, Unhealthy
from gateway.middleware import health as probes
from gateway.state.health_verdicts import ProbeHistory
from gateway.stores import MemoryStore
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate, Wire, answer, comes_true, make_catalog, service
from tests.ports import free_port

Open = Callable[..., Gate]
Rounds = Callable[[int], None]
#: On the test's clock. A probe has that long to answer, which is really waited: nothing stands still for so long.
INTERVAL_SECONDS = 30
LEASE_SECONDS = 150
HEALTH = {
    "path": "/v1/health",
    "interval": INTERVAL_SECONDS,
    "unhealthy_after": 3,
    "healthy_after": 2,
}
LOCK = f"probes:{node()}"


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [("", "unknown"), ("s", "up"), ("f", "unknown"), ("ff", "unknown"), ("fff", "down"), ("sff", "up"), ("sfff", "down"),
     ("ffsff", "up"), ("ffs", "up"), ("fffs", "down"), ("fffsfs", "down"), ("fffss", "up"), ("fffssff", "up")],
)  # fmt: skip
def test_a_verdict_changes_after_so_many_answers_in_a_row(answers: str, verdict: str) -> None:
    history = ProbeHistory()
    for letter in answers:
        history = history.after(letter == "s", Health(**HEALTH))
    assert history.verdict == verdict


class Leaving(MemoryStore):
    """A store that can go away."""

    away = False

    def acquire(self, key: str, ttl: float) -> int | None:
        if self.away:
            raise StoreUnavailable
        return super().acquire(key, ttl)

    def set_fenced(self, key: str, value: bytes, ttl: float, fence: int) -> bool:
        if self.away:
            raise StoreUnavailable
        return super().set_fenced(key, value, ttl, fence)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(probes, "MAX_PROBE_SECONDS", INTERVAL_SECONDS)
    monkeypatch.setattr(probes, "LEASE_SECONDS", LEASE_SECONDS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> Leaving:
    return Leaving(clock)


@pytest.fixture
def worker(gate: Open, clock: FakeClock, store: Leaving) -> Callable[..., Gate]:
    """A gateway whose probes run; ``s`` is probed once in INTERVAL_SECONDS of the test's clock."""

    def make(**on: Any) -> Gate:
        at = gate(
            "GET /anything",
            on={"health": HEALTH, **on},
            clock=clock,
            store=store,
            jitter=lambda: 0.5,
        )
        at.gateway.start()
        return at

    return make


def verdict(at: Gate, name: str = "s") -> str:
    return at.gateway.health(at.gateway.catalog.services[name])


def probe_count(box: Sandbox) -> int:
    return sum(request.path == "/v1/health" for request in box.requests)


@pytest.fixture
def rounds(clock: FakeClock, store: Leaving) -> Rounds:
    """So many intervals and what came of each probe: the clock may not pass while one is under way."""

    def answers() -> list[int]:
        return [run for _, run, _ in json.loads(store.get(LOCK) or b"{}").values()]

    def go_by(number: int) -> None:
        for _ in range(number):
            before = answers()
            clock.advance(INTERVAL_SECONDS)
            assert comes_true(lambda before=before: answers() != before)

    return go_by


def becomes(at: Gate, expected: str, name: str = "s") -> bool:
    return comes_true(lambda: verdict(at, name) == expected)


def down(at: Gate, box: Sandbox, rounds: Rounds) -> None:
    assert becomes(at, "up")
    box.fault("/v1/health", "status=503")
    rounds(3)
    assert becomes(at, "down")


def test_a_service_that_answers_is_up_and_is_asked_once_in_an_interval(
    worker: Open, box: Sandbox, rounds: Rounds
) -> None:
    at = worker()
    assert becomes(at, "up")
    rounds(3)
    assert probe_count(box) == 4


@pytest.mark.parametrize("fault", ["", "hang"])
def test_a_probe_goes_when_it_is_due_and_not_at_the_next_look(
    gate: Open, box: Sandbox, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(probes, "POLL_SECONDS", 1.0)
    box.fault("/v1/health", fault)
    at = gate(on={"health": {**HEALTH, "interval": 0.05}})
    at.gateway.start()
    assert comes_true(lambda: probe_count(box) >= 10)
    at.gateway.close()
    assert comes_true(
        lambda: "postern-probes" not in [thread.name for thread in threading.enumerate()]
    )


def test_a_service_that_is_down_is_refused_at_once_until_it_is_back(
    worker: Open, box: Sandbox, rounds: Rounds
) -> None:
    at = worker()
    down(at, box, rounds)
    with pytest.raises(Unhealthy) as caught:
        at.ask()
    error = caught.value
    assert (error.code, error.retry_after, at.trace.attempts) == (-1008, INTERVAL_SECONDS, [])
    assert probe_count(box) == len(box.requests)
    box.fault("/v1/health", "")
    rounds(1)
    assert verdict(at) == "down"
    rounds(1)
    assert becomes(at, "up")
    assert at.ask()["method"] == "GET"


@pytest.mark.parametrize(
    "fault", ["status=503", "status=404", "status=302", "close", "hang", "garbage"]
)
def test_anything_but_a_2xx_in_time_is_unhealthy(
    worker: Open, box: Sandbox, clock: FakeClock, fault: str
) -> None:
    box.fault("/v1/health", fault)
    at = worker(health={**HEALTH, "unhealthy_after": 1, "interval": 0.05})
    assert becomes(at, "down")


def test_a_service_that_cannot_be_reached_is_down_and_comes_back(
    worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    at = worker(health={**HEALTH, "unhealthy_after": 1, "healthy_after": 1})
    assert becomes(at, "up")
    box.stop()
    clock.advance(INTERVAL_SECONDS)
    assert becomes(at, "down")
    box.start()
    clock.advance(INTERVAL_SECONDS)
    assert becomes(at, "up")


def test_a_probe_carries_neither_credential_nor_the_services_headers(
    worker: Open, box: Sandbox
) -> None:
    at = worker(
        auth={"type": "bearer", "token": "sandbox-token"}, headers={"X-Extra-Key": "not for probes"}
    )
    assert becomes(at, "up")
    [request] = box.requests
    assert set(request.headers) == {"host", "user-agent", "accept"}
    assert (request.verb, request.target) == ("GET", "/v1/health")


def test_a_service_is_up_while_one_of_its_base_urls_is(
    worker: Open, box: Sandbox, rounds: Rounds
) -> None:
    with Sandbox(port=free_port()) as second:
        at = worker(base_url=[box.url, second.url], health={**HEALTH, "unhealthy_after": 1})
        assert becomes(at, "up")
        box.stop()
        rounds(2)
        assert (probe_count(second), verdict(at)) == (2, "up")
    rounds(1)
    assert becomes(at, "down")


def test_probes_count_for_no_breaker_and_stand_in_no_attempt_line(
    worker: Open, box: Sandbox, rounds: Rounds
) -> None:
    at = worker(breaker={"min_calls": 1})
    down(at, box, rounds)
    assert at.breaker == "closed"
    assert {line["event"] for line in at.log.events} == {"health"}


def test_each_change_of_the_verdict_has_one_line_with_its_reason(
    worker: Open, box: Sandbox, rounds: Rounds
) -> None:
    at = worker()
    down(at, box, rounds)
    rounds(2)
    lines = [
        (line["service"], line["verdict"], line["why"])
        for line in at.log.events
        if line["event"] == "health"
    ]
    assert lines == [("s", "up", "answered"), ("s", "down", "HTTP 503")]


def test_of_two_workers_on_a_host_one_asks_and_both_know(
    worker: Open, box: Sandbox, rounds: Rounds
) -> None:
    a = worker()
    b = worker()
    assert becomes(a, "up") and becomes(b, "up")
    rounds(20)
    assert probe_count(box) == 21
    box.fault("/v1/health", "status=503")
    rounds(3)
    assert becomes(a, "down") and becomes(b, "down")
    changes = [line for at in (a, b) for line in at.log.events if line["event"] == "health"]
    assert len(changes) == 2


def test_a_prober_that_dies_is_followed_when_its_lease_ends(
    worker: Open, box: Sandbox, clock: FakeClock, store: Leaving
) -> None:
    assert store.acquire(LOCK, LEASE_SECONDS)
    at = worker()
    clock.advance(LEASE_SECONDS - 1)
    assert not box.requests
    clock.advance(1)
    assert becomes(at, "up")


def test_a_prober_that_ends_is_followed_at_once_by_one_who_goes_on_from_there(
    worker: Open, box: Sandbox, rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever renews a lease may lose it to the other, and this is about the one that has it.
    monkeypatch.setattr(probes, "LEASE_SECONDS", 100 * LEASE_SECONDS)
    a = worker()
    b = worker()
    assert becomes(a, "up") and becomes(b, "up")
    box.fault("/v1/health", "status=503")
    rounds(3)
    assert becomes(a, "down") and becomes(b, "down")
    prober, other = (a, b) if len(a.log.events) == 2 else (b, a)
    prober.gateway.close()
    box.fault("/v1/health", "")
    rounds(2)
    assert becomes(other, "up")
    assert other.log.events[0]["verdict"] == "up"


def test_while_the_store_is_away_each_worker_asks_for_itself(
    gate: Open, box: Sandbox, store: Leaving
) -> None:
    store.away = True
    a, b = (
        gate("GET /anything", on={"health": {**HEALTH, "interval": 1}}, store=store)
        for _ in range(2)
    )
    for at in (a, b):
        at.gateway.start()
    assert becomes(a, "up") and becomes(b, "up")
    box.fault("/v1/health", "status=503")
    assert becomes(a, "down") and becomes(b, "down")
    assert [len(at.log.events) for at in (a, b)] == [2, 2]
    store.away = False
    box.fault("/v1/health", "")
    assert becomes(a, "up") and becomes(b, "up")


def test_probes_follow_a_reload(worker: Open, box: Sandbox, rounds: Rounds) -> None:
    at = worker()
    down(at, box, rounds)
    methods = {"m": {"http": "GET /anything"}}
    with Sandbox(port=free_port()) as elsewhere:
        moved = {
            name: service(elsewhere.url, methods=methods, health=HEALTH) for name in ("s", "t")
        }
        at.gateway.swap(make_catalog(moved))
        assert becomes(at, "up") and becomes(at, "up", "t")
        at.gateway.swap(make_catalog({"s": service(elsewhere.url, methods=methods)}))
        assert becomes(at, "unknown")
        assert at.ask()["method"] == "GET"


def test_a_service_that_is_not_probed_costs_no_access_to_the_store(
    gate: Open, store: Leaving
) -> None:
    store.away = True
    at = gate("GET /anything", store=store)
    at.gateway.start()
    assert at.ask()["method"] == "GET"
    assert (verdict(at), at.log.events[0]["event"]) == ("unknown", "attempt")


def test_one_bad_look_does_not_end_the_looking(
    worker: Open, box: Sandbox, clock: FakeClock, store: Leaving
) -> None:
    store.set(LOCK, b"not what we wrote", 60)
    at = worker()
    assert comes_true(lambda: [line for line in at.log.events if "JSONDecodeError" in line["why"]])
    store.delete(LOCK)
    assert becomes(at, "up")


def test_what_a_service_says_on_its_health_page_is_not_kept(wire: Any, open_gate: Open) -> None:
    server = Wire([answer(b"secret talk", "500 Internal Server Error")] * 3)
    with server:
        at = open_gate(
            {
                "s": service(
                    server.url,
                    health={"path": "/up?deep=1", "interval": 30, "unhealthy_after": 1},
                )
            }
        )
        at.gateway.start()
        assert becomes(at, "down")
    assert b"GET /up?deep=1 HTTP/1.1\r\n" in server.heard[0]
    assert "secret" not in str(at.log.events)
