"""Fetched credentials of many workers: one fetch among them all, and none of them sends what is expired or refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.errors import CredentialError, DeadlineExceeded
from gateway.masking import Masker, Secret
from gateway.signers.tokens import token_cache
from gateway.signers.tokens.entry import token_name
from gateway.signers.tokens.shared import EXPIRY_MARGIN_SECONDS
from gateway.signers.tokens.token_cache import Tokens
from gateway.stores import Store
from gateway.stores.redis import RedisStore
from sandbox import Sandbox
from tests.gateway.fakes import WECHAT, FakeClock, Gate, Lines, make_call, service
from tests.gateway.signers.tokens.conftest import LEASE_SECONDS
from tests.gateway.signers.tokens.test_fetched_tokens import Vendor, a_worker
from tests.redis_server import RedisServer

PassTime = Callable[[float], None]
LONG = 10**9


def get(tokens: Tokens, vendor: Vendor) -> str:
    return tokens.get("k", vendor.fetch, LONG).reveal()


@pytest.fixture
def vendor() -> Vendor:
    return Vendor(1000)


@pytest.fixture
def worker(store: Store, clock: FakeClock) -> Callable[..., Tokens]:
    """One more process."""
    return lambda jitter=0.0: a_worker(store, clock, jitter)


Workers = Callable[..., Tokens]


def test_the_first_calls_of_fifty_workers_fetch_one_token(
    store: Store, box: Sandbox, open_gate: Any
) -> None:
    methods = {"m": {"http": "GET /anything", "envelope": "plain"}}
    services = {"s": service(box.url, methods=methods, **WECHAT)}
    gates: list[Gate] = [open_gate(services, store=store, clock=SystemClock()) for _ in range(50)]
    box.fault("/cgi-bin/token", "delay=0.1")
    start = threading.Barrier(50)

    def call_once(at: Gate) -> str:
        start.wait(30)
        data: Any = at.gateway.call(make_call()).data
        return str(data["query"]["access_token"])

    with ThreadPoolExecutor(50) as pool:
        used = set(pool.map(call_once, gates))
    assert len(used) == 1
    assert box.tokens_issued == 1


def test_one_worker_renews_early_while_the_others_use_the_old_token(
    worker: Workers, vendor: Vendor, pass_time: PassTime
) -> None:
    one, other, third = worker(), worker(), worker()
    assert [get(one, vendor), get(other, vendor)] == ["t1", "t1"]
    pass_time(901)
    meanwhile: list[str] = []

    def fetch() -> tuple[Secret, float]:
        meanwhile.extend(get(tokens, vendor) for tokens in (other, third))
        return vendor.fetch()

    assert one.get("k", fetch, LONG) == Secret("t2")
    assert meanwhile == ["t1", "t1"]
    pass_time(LEASE_SECONDS)
    assert [get(tokens, vendor) for tokens in (other, third)] == ["t2", "t2"]
    assert vendor.fetches == 2


def test_workers_renew_at_moments_of_their_own_within_a_fortieth_of_the_tokens_life(
    worker: Workers, vendor: Vendor, pass_time: PassTime
) -> None:
    get(worker(), vendor)
    first, last = worker(0.0), worker(0.999)
    assert [get(tokens, vendor) for tokens in (first, last)] == ["t1", "t1"]
    pass_time(920)
    assert get(last, vendor) == "t1"
    assert vendor.fetches == 1
    assert get(first, vendor) == "t2"
    assert get(last, vendor) == "t1"
    pass_time(5)
    assert get(last, vendor) == "t2"
    assert vendor.fetches == 2


def test_a_worker_without_a_token_waits_for_the_renewer_no_longer_than_its_own_deadline(
    worker: Workers, vendor: Vendor, clock: FakeClock
) -> None:
    one, other = worker(), worker()

    def fetch() -> tuple[Secret, float]:
        began = clock.now()
        with pytest.raises(DeadlineExceeded):
            other.get("k", vendor.fetch, began + 1)
        assert clock.now() - began == pytest.approx(1)
        return vendor.fetch()

    assert one.get("k", fetch, LONG) == Secret("t1")
    assert vendor.fetches == 1


def test_a_renewer_that_was_killed_is_taken_over_when_its_lease_ends(
    worker: Workers,
    vendor: Vendor,
    store: Store,
    clock: FakeClock,
    pass_time: PassTime,
    monkeypatch: Any,
) -> None:
    monkeypatch.setattr(clock, "sleep", pass_time)
    monkeypatch.setattr(token_cache, "POLL_SECONDS", 10)
    assert store.acquire("k", 1000)  # and nothing more is heard of it
    began = clock.now()
    assert get(worker(), vendor) == "t1"
    assert 900 <= clock.now() - began <= 1100


def test_a_renewer_that_comes_late_neither_overwrites_nor_uses_its_own_older_token(
    worker: Workers, vendor: Vendor, pass_time: PassTime
) -> None:
    hung, other = worker(), worker()

    def fetch() -> tuple[Secret, float]:
        pass_time(LEASE_SECONDS)
        assert get(other, vendor) == "t1"
        return Secret("late"), 1000

    assert hung.get("k", fetch, LONG) == Secret("t1")
    assert [get(tokens, vendor) for tokens in (hung, other, worker())] == ["t1", "t1", "t1"]


def test_a_renewer_that_comes_late_does_not_end_the_lease_of_who_took_over(
    worker: Workers, vendor: Vendor, pass_time: PassTime, store: Store
) -> None:
    def fetch() -> tuple[Secret, float]:
        pass_time(LEASE_SECONDS)
        assert store.acquire("k", LEASE_SECONDS)
        return vendor.fetch()

    worker().get("k", fetch, LONG)
    assert store.acquire("k", LEASE_SECONDS) is None


def test_a_token_is_not_used_beyond_its_life_by_a_worker_whose_clock_is_late(
    store: Store, clock: FakeClock, vendor: Vendor, pass_time: PassTime
) -> None:
    class SlowClock(FakeClock):
        def now(self) -> float:
            return clock.now() + 77  # of its own machine; it means nothing elsewhere

        def wall(self) -> float:
            return clock.wall() - EXPIRY_MARGIN_SECONDS

    slow = a_worker(store, SlowClock())
    get(a_worker(store, clock), vendor)
    assert get(slow, vendor) == "t1"
    pass_time(vendor.life - EXPIRY_MARGIN_SECONDS + 1)
    fence = store.acquire("k", LEASE_SECONDS)
    assert fence
    assert get(slow, vendor) == "t1", "another renews it, and it is good for some seconds more"
    store.release("k", fence)
    pass_time(EXPIRY_MARGIN_SECONDS - 1)
    assert get(slow, vendor) == "t2"


def test_a_token_is_not_used_beyond_its_life_by_a_worker_whose_clock_is_an_hour_late(
    store: Store, clock: FakeClock, vendor: Vendor, pass_time: PassTime
) -> None:
    class HourLate(FakeClock):
        def now(self) -> float:
            return clock.now()

        def wall(self) -> float:
            return clock.wall() - 3600

    slow = a_worker(store, HourLate())
    get(a_worker(store, clock), vendor)
    assert get(slow, vendor) == "t1"
    pass_time(vendor.life)
    assert get(slow, vendor) == "t2"


def test_what_the_vendor_refused_is_used_by_no_worker_once_one_of_them_has_renewed_it(
    worker: Workers, vendor: Vendor
) -> None:
    one, other = worker(), worker()
    assert [get(tokens, vendor) for tokens in (one, other)] == ["t1", "t1"]
    one.discard("k", Secret("t1"))
    assert [get(one, vendor), get(worker(), vendor)] == ["t2", "t2"]
    assert get(other, vendor) == "t1", "it looks into the store only when it is refused"
    other.discard("k", Secret("t1"))
    assert get(other, vendor) == "t2"
    assert vendor.fetches == 2


def test_what_the_vendor_refused_is_taken_out_of_the_store_even_if_no_other_can_be_fetched(
    worker: Workers, vendor: Vendor
) -> None:
    one = worker()
    get(one, vendor)
    one.discard("k", Secret("t1"))
    vendor.fails = CredentialError()
    for tokens in (one, worker()):
        with pytest.raises(CredentialError):
            get(tokens, vendor)


def test_a_token_that_is_refused_while_its_renewal_fails_does_not_come_back(
    worker: Workers, vendor: Vendor, clock: FakeClock, pass_time: PassTime, monkeypatch: Any
) -> None:
    monkeypatch.setattr(clock, "sleep", pass_time)
    monkeypatch.setattr(token_cache, "POLL_SECONDS", 1)
    one = worker()
    get(one, vendor)
    pass_time(950)

    def fetch() -> tuple[Secret, float]:
        one.discard("k", Secret("t1"))
        raise CredentialError

    one.get("k", fetch, LONG)
    assert get(one, vendor) == "t2", "once the others' pause is over, too"


def test_a_worker_that_went_on_alone_does_not_take_an_older_token_from_the_store_for_its_refused_one(
    worker: Workers, vendor: Vendor, store: Store, pass_time: PassTime
) -> None:
    one = worker()
    get(one, vendor)
    older = store.get("k")
    assert older
    pass_time(100)
    one.discard("k", Secret("t1"))
    assert get(one, vendor) == "t2"
    store.set("k", older, 1000)
    one.discard("k", Secret("t2"))
    assert get(one, vendor) == "t3"


def test_a_vendor_may_give_out_the_token_that_it_refused_once_more(
    worker: Workers, pass_time: PassTime
) -> None:
    one, other, fetches = worker(), worker(), []

    def fetch() -> tuple[Secret, float]:
        fetches.append(1)
        return Secret("always"), 1000

    for tokens in (one, other):
        tokens.get("k", fetch, LONG)
    pass_time(2)
    one.discard("k", Secret("always"))
    other.discard("k", Secret("always"))
    for tokens in (one, other) * 3:
        tokens.get("k", fetch, LONG)
    assert len(fetches) == 2


def test_while_the_copy_is_fresh_the_store_is_not_asked(
    clock: FakeClock, vendor: Vendor, store: Store
) -> None:
    class Counted:
        accesses = 0

        def __getattr__(self, name: str) -> Any:
            self.accesses += 1
            return getattr(store, name)

    counted: Any = Counted()
    tokens = a_worker(counted, clock)
    get(tokens, vendor)
    before = counted.accesses
    assert {get(tokens, vendor) for _ in range(100)} == {"t1"}
    assert counted.accesses == before > 0


def test_a_token_from_the_store_is_masked_as_a_fetched_one_is(
    store: Store, clock: FakeClock
) -> None:
    maskers = Masker(), Masker()
    for masker in maskers:
        Tokens(clock, store, masker, lambda: 0.0).get(
            "k", lambda: (Secret("a-vendors-token"), 1000), LONG
        )
    assert [masker.mask_text("?access_token=a-vendors-token") for masker in maskers] == [
        "?access_token=****"
    ] * 2


def test_a_record_that_is_not_understood_counts_as_none(
    worker: Workers, vendor: Vendor, store: Store
) -> None:
    for record in (b"\xff", b"[]", b"{}", b'{"value": "v", "renew_at": null, "expires_at": 1}'):
        store.set("k", record, 1000)
        assert get(worker(), vendor) == f"t{vendor.fetches}"
    assert vendor.fetches == 4


def test_another_secret_is_another_name_and_no_name_tells_its_secret() -> None:
    auth = {"type": "app_secret", "app_id": "wx-app", "secret": Secret("very-secret")}
    names = {
        token_name("s", "http://a", auth),
        token_name("t", "http://a", auth),
        token_name("s", "http://b", auth),
        token_name("s", "http://a", {**auth, "secret": Secret("rotated")}),
    }
    assert len(names) == 4
    assert token_name("s", "http://a", dict(reversed(auth.items()))) in names
    assert not any("secret" in name or "wx-app" in name for name in names)


@pytest.fixture
def mortal(redis_server: RedisServer) -> Any:
    """A real Redis that a test may kill, and the store on it."""
    store = RedisStore(redis_server.url, Lines().warning)
    yield redis_server, store
    store.close()


def test_while_the_store_is_away_every_worker_goes_on_with_what_it_has(
    mortal: Any, clock: FakeClock
) -> None:
    (server, store), vendor = mortal, Vendor(1000)
    workers = [a_worker(store, clock) for _ in range(3)]
    assert [get(tokens, vendor) for tokens in workers[:2]] == ["t1", "t1"]
    server.kill()
    clock.advance(950)
    assert [get(tokens, vendor) for tokens in workers[:2]] == ["t1", "t1"], (
        "still good, and nobody to agree with"
    )
    assert get(workers[2], vendor) == "t2", "it has none"
    clock.advance(41)
    assert [get(tokens, vendor) for tokens in workers] == ["t3", "t4", "t2"]


def test_a_store_that_goes_away_during_a_fetch_does_not_cost_the_token(
    mortal: Any, clock: FakeClock
) -> None:
    server, store = mortal
    tokens = a_worker(store, clock)

    def fetch() -> tuple[Secret, float]:
        server.kill()
        return Secret("new"), 1000

    assert tokens.get("k", fetch, LONG) == Secret("new")
    assert get(tokens, Vendor()) == "new"
