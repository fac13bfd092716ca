"""Several workers, each with its own circuit, over one store: what one learns the others hear of."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.errors import GatewayError, StoreUnavailable
from gateway.state.shared_circuit import FRESH_SECONDS
from gateway.stores import MemoryStore
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate, comes_true

Open = Callable[..., Gate]
BREAKER = {"window": 10, "min_calls": 4, "failure_rate": 0.5, "open_for": 5}
RECHECK_SECONDS = 0.5  # seconds, a tenth of open_for


class WatchedStore(MemoryStore):
    """Counts what is asked of it, and can go away."""

    def __init__(self, clock: FakeClock, shared: bool = False) -> None:
        super().__init__(clock)
        self.operations = 0
        self.away = False
        self.shared = shared
        self.answers = threading.Event()
        self.answers.set()

    def get(self, key: str) -> bytes | None:
        assert self.answers.wait(30)
        return super().get(key)

    def __getattribute__(self, name: str) -> Any:
        if name in (
            "get",
            "set",
            "add",
            "delete",
            "increment",
            "ttl",
            "acquire",
            "release",
            "set_fenced",
        ):
            self.operations += 1
            if self.away:
                raise StoreUnavailable
        return super().__getattribute__(name)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(clock: FakeClock) -> WatchedStore:
    return WatchedStore(clock)


@pytest.fixture
def worker(gate: Open, clock: FakeClock, store: WatchedStore) -> Callable[..., Gate]:
    def make(clock: FakeClock = clock, **method: Any) -> Gate:
        return gate("GET /anything", on={"breaker": BREAKER}, clock=clock, store=store, **method)

    return make


@pytest.fixture(params=["memory", "redis"])
def shared_worker(
    request: pytest.FixtureRequest, gate: Open, clock: FakeClock
) -> Callable[[], Gate]:
    """Workers over a store that others write to, too."""
    store = (
        WatchedStore(clock, shared=True)
        if request.param == "memory"
        else request.getfixturevalue("redis_store")
    )
    # Redis goes by its own clock, which runs on while the tests stand still.
    breaker = {**BREAKER, "open_for": 60}
    return lambda: gate("GET /anything", on={"breaker": breaker}, clock=clock, store=store)


def code(at: Gate) -> int:
    try:
        at.ask()
    except GatewayError as error:
        return error.code
    return 0


def states(*workers: Gate) -> list[str]:
    """What each knows itself: the log's last word."""
    return [
        ([line["state"] for line in at.log.events if line["event"] == "breaker"] or ["closed"])[-1]
        for at in workers
    ]


def open_circuit(at: Gate, box: Sandbox) -> None:
    box.fault("/anything", "status=500")
    assert [code(at) for _ in range(5)] == [-1004] * 4 + [-1007]


def test_a_healthy_service_costs_no_access_to_a_store_of_its_own(
    worker: Open, store: WatchedStore
) -> None:
    at = worker()
    assert [code(at) for _ in range(20)] == [0] * 20
    assert store.operations == 0


def test_a_worker_without_a_failure_of_its_own_sends_nothing_once_another_has_opened(
    shared_worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    a = shared_worker()
    b = shared_worker()
    assert code(b) == 0
    open_circuit(a, box)
    sent = len(box.requests)
    clock.advance(FRESH_SECONDS)
    assert (b.breaker, code(b), len(box.requests)) == ("open", -1007, sent)
    assert states(a, b) == ["open", "open"]


def test_a_closed_circuit_looks_at_a_shared_store_once_in_a_while(
    worker: Open, store: WatchedStore, clock: FakeClock
) -> None:
    store.shared = True
    at = worker()
    for looks in range(1, 4):
        assert [code(at) for _ in range(20)] == [0] * 20
        assert store.operations == looks
        clock.advance(FRESH_SECONDS)


def test_calls_beside_the_one_that_looks_do_not_wait(worker: Open, store: WatchedStore) -> None:
    store.shared = True
    at = worker()
    store.answers.clear()
    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(code, at)
        assert comes_true(lambda: store.operations == 1)
        assert [code(at) for _ in range(5)] == [0] * 5
        assert not looking.done()
        store.answers.set()
        assert looking.result(30) == 0


def test_a_store_that_is_away_says_nothing_about_the_service(
    worker: Open, store: WatchedStore
) -> None:
    store.shared = True
    at = worker()
    store.away = True
    assert (code(at), store.operations) == (0, 1)


def test_refused_calls_cost_no_access_to_the_store(
    worker: Open, store: WatchedStore, box: Sandbox, clock: FakeClock
) -> None:
    a = worker()
    b = worker()
    open_circuit(a, box)
    code(b)
    before = store.operations
    assert {code(at) for at in (a, b) for _ in range(20)} == {-1007}
    assert store.operations == before


def test_a_worker_that_counts_a_failure_hears_that_another_has_opened(
    worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    a = worker()
    b = worker()
    open_circuit(a, box)
    clock.advance(2)
    assert [code(b) for _ in range(3)] == [-1004, -1007, -1007]
    with pytest.raises(GatewayError) as caught:
        b.ask()
    assert caught.value.retry_after == 3


def test_all_workers_show_the_state_that_one_of_them_found(worker: Open, box: Sandbox) -> None:
    a = worker()
    b = worker()
    open_circuit(a, box)
    assert b.breaker == "open"


def test_all_workers_together_send_one_probe_in_open_for(
    worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    workers = [worker() for _ in range(4)]
    open_circuit(workers[0], box)
    assert [code(at) for at in workers[1:]] == [-1004] * 3
    for round_ in range(1, 4):
        box.fault("/anything", "delay=0.1;status=500")
        clock.advance(5)
        with ThreadPoolExecutor(16) as pool:
            codes = list(pool.map(code, workers * 8))
        assert (codes.count(-1004), codes.count(-1007)) == (1, 31)
        assert len(box.requests) == 7 + round_
        for _ in range(9):
            clock.advance(RECHECK_SECONDS)
            assert {code(at) for at in workers} == {-1007}


def test_a_probe_whose_end_the_store_did_not_take_leaves_the_next_one_free(
    worker: Open, store: WatchedStore, box: Sandbox, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    workers = [worker() for _ in range(2)]
    open_circuit(workers[0], box)
    assert code(workers[1]) == -1004
    box.fault("/anything", "")
    clock.advance(5)

    def lose(*_: object) -> bool:
        raise StoreUnavailable

    monkeypatch.setattr(store, "set_fenced", lose)
    assert [code(at) for at in workers] == [0, 0]


def test_a_probe_that_takes_longer_than_open_for_is_still_the_only_one(
    worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    # The test's clock runs on by 35 s while the probe waits: its time is not over by that.
    slow = worker(timeout={"read": 120}, deadline=120)
    other = worker(deadline=60)
    open_circuit(slow, box)
    code(other)
    before = len(box.requests)
    box.fault("/anything", "hang")
    clock.advance(5)
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(code, slow)
        assert comes_true(lambda: len(box.requests) == before + 1)
        for _ in range(6):
            clock.advance(5)
            assert code(other) == -1007
        assert len(box.requests) == before + 1
        box.stop()
        assert probe.result(30) == -1003


def test_a_worker_without_the_turn_looks_again_a_little_later_and_not_for_every_call(
    worker: Open, box: Sandbox, clock: FakeClock, store: WatchedStore
) -> None:
    a = worker()
    b = worker()
    open_circuit(a, box)
    code(b)
    box.fault("/anything", "hang")
    clock.advance(5)
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(code, a)
        assert comes_true(lambda: len(box.requests) == 6)
        assert code(b) == -1007
        before = store.operations
        assert {code(b) for _ in range(20)} == {-1007}
        assert store.operations == before
        clock.advance(RECHECK_SECONDS)
        assert code(b) == -1007
        assert store.operations > before
        box.stop()
        assert probe.result() == -1003
    assert states(a, b) == ["open", "open"]


def test_the_success_of_one_closes_the_others_when_they_look(
    worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    workers = [worker() for _ in range(4)]
    open_circuit(workers[0], box)
    assert [code(at) for at in workers[1:]] == [-1004] * 3
    box.fault("/anything", "")
    clock.advance(5)
    assert [code(at) for at in workers] == [0] * 4
    assert states(*workers) == ["closed"] * 4
    halves = [line for at in workers for line in at.log.events if line.get("state") == "half_open"]
    assert len(halves) == 1


def test_a_worker_that_heard_nothing_of_it_opens_on_no_success_after_the_service_is_back(
    worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    a = worker()
    b = worker()
    box.fault("/anything", "status=500")
    assert [code(b) for _ in range(3)] == [-1004] * 3
    open_circuit(a, box)
    box.fault("/anything", "")
    clock.advance(5)
    assert [code(a), code(b), code(b), code(a)] == [0] * 4
    assert states(a, b) == ["closed"] * 2
    assert a.breaker == "closed"


def test_a_turn_given_back_is_there_for_another_worker(
    worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    a = worker()
    b = worker()
    open_circuit(a, box)
    code(b)
    clock.advance(5)
    box.fault("/anything", "")
    with pytest.raises(GatewayError):
        a.ask(timeout=-1.0)  # over before it is sent
    assert [code(b), code(a)] == [0, 0]


def test_a_worker_that_dies_with_the_turn_holds_it_no_longer_than_open_for(
    worker: Open, box: Sandbox, clock: FakeClock, store: WatchedStore
) -> None:
    a = worker()
    b = worker()
    open_circuit(a, box)
    code(b)
    clock.advance(5)
    assert store.acquire("breaker:s:base_url", 5)
    box.fault("/anything", "")
    assert code(b) == -1007
    clock.advance(5)
    assert code(b) == 0


def test_a_slow_probe_does_not_take_back_what_a_later_one_found(
    worker: Open, box: Sandbox, clock: FakeClock
) -> None:
    # The machine of the slow one stands still meanwhile: its probe goes on.
    own_clock = FakeClock()
    a = worker(own_clock, deadline=60)
    b = worker()
    c = worker()
    open_circuit(a, box)
    assert [code(b), code(c)] == [-1004, -1004]
    box.fault("/anything", "hang", times=1)
    clock.advance(5)
    own_clock.advance(5)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(code, a)
        assert comes_true(lambda: len(box.requests) == 7)
        box.fault("/anything", "")
        clock.advance(60)  # its time is over, and its worker may be dead
        assert code(b) == 0
        box.stop()
        assert slow.result() == -1003
        box.start()
    assert code(c) == 0
    assert states(b, c) == ["closed", "closed"]


def test_while_the_store_is_away_each_worker_goes_by_what_it_knows(
    worker: Open, box: Sandbox, clock: FakeClock, store: WatchedStore
) -> None:
    a = worker()
    b = worker()
    store.away = True
    open_circuit(a, box)
    assert code(b) == -1004
    clock.advance(5)
    assert [code(a), code(a)] == [-1004, -1007]
    box.fault("/anything", "")
    clock.advance(5)
    assert [code(a), code(a), code(b)] == [0, 0, 0]
    assert a.breaker == "closed"
