"""Fetched credentials: one fetch however many want one, renewed early, never used once expired."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.errors import ConnectionLost, CredentialError, DeadlineExceeded
from gateway.masking import Masker, Secret
from gateway.signers.tokens.token_cache import Tokens
from gateway.stores import MemoryStore, Store
from sandbox import Sandbox
from tests.gateway.fakes import WECHAT, FakeClock, Gate, make_call
from tests.gateway.signers.tokens.conftest import LEASE_SECONDS

Open = Callable[..., Gate]
PassTime = Callable[[float], None]


class Vendor:
    """Gives out t1, t2, ..., each for ``life`` seconds; may be told to fail, or to wait."""

    def __init__(self, life: float = 1000) -> None:
        self.life, self.fetches = life, 0
        self.fails: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.fetch_began = threading.Event()

    def fetch(self) -> tuple[Secret, float]:
        self.fetches += 1
        number = self.fetches
        self.fetch_began.set()
        assert self.may_answer.wait(30)
        if self.fails:
            raise self.fails
        return Secret(f"t{number}"), self.life


def a_worker(store: Store, clock: Any, jitter: float = 0.0) -> Tokens:
    """One process's tokens."""
    return Tokens(clock, store, Masker(), lambda: jitter)


@pytest.fixture
def tokens(clock: FakeClock, store: Store) -> Tokens:
    return a_worker(store, clock)


def get(tokens: Tokens, vendor: Vendor, key: str = "k", patience: float = 5) -> str:
    return tokens.get(
        key, vendor.fetch, 1000 + 10**9 if patience == 5 else 1000 + patience
    ).reveal()


def test_a_token_serves_until_a_tenth_of_its_life_is_left(tokens: Tokens, clock: FakeClock) -> None:
    vendor = Vendor(1000)
    assert get(tokens, vendor) == "t1"
    clock.advance(899)
    assert get(tokens, vendor) == "t1"
    clock.advance(2)
    assert get(tokens, vendor) == "t2"
    assert vendor.fetches == 2


def test_keys_have_tokens_of_their_own(tokens: Tokens) -> None:
    vendor = Vendor()
    assert [get(tokens, vendor, key) for key in ("a", "b", "a")] == ["t1", "t2", "t1"]


def test_the_tokens_life_counts_from_when_it_was_asked_for(
    tokens: Tokens, clock: FakeClock
) -> None:
    def slow() -> tuple[Secret, float]:
        clock.advance(950)
        return Secret("old"), 1000

    tokens.get("k", slow, 10**9)
    assert get(tokens, Vendor()) == "t1"


def test_fifty_first_calls_fetch_one_token(gate: Open, box: Sandbox) -> None:
    at = gate("POST /anything", on={**WECHAT, "envelope": "plain"})
    box.fault("/cgi-bin/token", "delay=0.05")
    start = threading.Barrier(50)

    def call_once(_: int) -> str:
        start.wait(30)
        data: dict[str, dict[str, list[str]]] = at.gateway.call(make_call()).data  # type: ignore[assignment]
        return data["query"]["access_token"][0]

    with ThreadPoolExecutor(50) as pool:
        used = list(pool.map(call_once, range(50)))
    assert len(set(used)) == 1
    assert box.tokens_issued == 1


def test_one_renews_early_while_the_others_use_the_old_one(
    tokens: Tokens, clock: FakeClock
) -> None:
    vendor = Vendor(1000)
    get(tokens, vendor)
    clock.advance(950)
    vendor.may_answer.clear()
    vendor.fetch_began.clear()
    with ThreadPoolExecutor(1) as pool:
        renewed = pool.submit(get, tokens, vendor)
        assert vendor.fetch_began.wait(30)
        assert [get(tokens, vendor) for _ in range(10)] == ["t1"] * 10
        vendor.may_answer.set()
        assert renewed.result(30) == "t2"
    assert get(tokens, vendor) == "t2"
    assert vendor.fetches == 2


def test_an_expired_token_is_never_used_even_while_the_new_one_is_on_its_way(
    tokens: Tokens, clock: FakeClock
) -> None:
    vendor = Vendor(1000)
    get(tokens, vendor)
    clock.advance(996)  # 4 seconds are left: too few to arrive
    vendor.may_answer.clear()
    vendor.fetch_began.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(get, tokens, vendor)
        assert vendor.fetch_began.wait(30)
        second = pool.submit(get, tokens, vendor)
        vendor.may_answer.set()
        assert (first.result(30), second.result(30)) == ("t2", "t2")


def test_an_expired_token_does_not_help_when_fetching_fails(
    tokens: Tokens, clock: FakeClock
) -> None:
    vendor = Vendor(1000)
    get(tokens, vendor)
    clock.advance(996)
    vendor.fails = ConnectionLost()
    with pytest.raises(ConnectionLost):
        get(tokens, vendor)


@pytest.mark.parametrize("life", [1, 4, 8])
def test_a_token_of_a_short_life_is_used_for_half_of_it(
    tokens: Tokens, clock: FakeClock, life: float
) -> None:
    vendor = Vendor(life)
    get(tokens, vendor)
    clock.advance(life * 0.49)
    assert get(tokens, vendor) == "t1"
    clock.advance(life * 0.02)
    assert get(tokens, vendor) == "t2"


def test_a_failed_renewal_uses_the_old_token_while_it_is_good_and_is_not_tried_again_by_every_call(
    tokens: Tokens, clock: FakeClock, store: Store, pass_time: PassTime
) -> None:
    vendor, other = Vendor(1000), a_worker(store, clock)
    get(tokens, vendor)
    pass_time(950)
    vendor.fails = CredentialError()
    assert [get(worker, vendor) for worker in (tokens, other) * 10] == ["t1"] * 20
    assert vendor.fetches == 2
    vendor.fails = None
    pass_time(LEASE_SECONDS)
    assert get(tokens, vendor) == "t3"
    assert get(other, vendor) == "t3"


def test_a_foreign_error_in_fetching_is_not_hidden_by_the_old_token(
    tokens: Tokens, clock: FakeClock
) -> None:
    vendor = Vendor(1000)
    get(tokens, vendor)
    clock.advance(950)
    vendor.fails = ZeroDivisionError()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            get(tokens, vendor)
    vendor.fails = None
    assert get(tokens, vendor) == "t4"


def test_a_failed_first_fetch_fails_those_who_waited_and_the_next_call_fetches_anew(
    tokens: Tokens,
) -> None:
    vendor = Vendor()
    vendor.fails = CredentialError()
    vendor.may_answer.clear()
    with ThreadPoolExecutor(3) as pool:
        asking = [pool.submit(get, tokens, vendor)]
        assert vendor.fetch_began.wait(30)
        asking += [pool.submit(get, tokens, vendor) for _ in range(2)]
        vendor.may_answer.set()
        assert all(isinstance(waiter.exception(30), CredentialError) for waiter in asking)
    vendor.fails = None
    assert get(tokens, vendor).startswith("t")


def test_one_who_waited_does_not_use_a_token_that_had_expired_when_it_came(
    tokens: Tokens, clock: FakeClock
) -> None:
    vendor = Vendor(1000)
    vendor.may_answer.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(get, tokens, vendor)
        assert vendor.fetch_began.wait(30)
        second = pool.submit(get, tokens, vendor)
        clock.advance(2000)
        vendor.may_answer.set()
        assert {first.result(30), second.result(30)} == {"t1", "t2"}


def test_a_discarded_token_is_fetched_anew(tokens: Tokens) -> None:
    vendor = Vendor()
    get(tokens, vendor)
    tokens.discard("k", Secret("t1"))
    assert get(tokens, vendor) == "t2"


def test_discarding_an_old_token_leaves_a_newer_one(tokens: Tokens) -> None:
    vendor = Vendor()
    get(tokens, vendor)
    tokens.discard("k", Secret("t1"))
    get(tokens, vendor)
    tokens.discard("k", Secret("t1"))
    tokens.discard("other", Secret("t2"))
    assert get(tokens, vendor) == "t2"


def test_many_who_are_told_that_one_token_is_stale_fetch_one_new_one(
    gate: Open, box: Sandbox
) -> None:
    params = {"touser": {"type": "string"}, "text": {"type": "string"}}
    at = gate("POST /cgi-bin/message/send", on=WECHAT, params=params)
    hello = {"touser": "u", "text": "hi"}
    at.ask("m", hello)
    box.revoke_tokens()
    start = threading.Barrier(20)

    def call_once(_: int) -> object:
        start.wait(30)
        return at.gateway.call(make_call(params=hello)).data

    with ThreadPoolExecutor(20) as pool:
        assert all(pool.map(call_once, range(20)))
    assert box.tokens_issued == 2


def test_one_who_waits_gives_up_at_its_deadline() -> None:
    tokens, vendor, clock = (
        a_worker(MemoryStore(SystemClock()), SystemClock()),
        Vendor(),
        SystemClock(),
    )
    vendor.may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(tokens.get, "k", vendor.fetch, clock.now() + 60)
        assert vendor.fetch_began.wait(30)
        with pytest.raises(DeadlineExceeded):
            tokens.get("k", vendor.fetch, clock.now() + 0.05)
        assert not first.done()
        vendor.may_answer.set()
        assert first.result(30) == Secret("t1")


def test_one_who_waits_tries_itself_when_the_fetcher_ran_out_of_its_own_time() -> None:
    tokens, vendor, clock = (
        a_worker(MemoryStore(SystemClock()), SystemClock()),
        Vendor(),
        SystemClock(),
    )
    vendor.fails = DeadlineExceeded()
    vendor.may_answer.clear()

    def fetch_then_recover() -> tuple[Secret, float]:
        return Secret("mine"), 1000.0

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(tokens.get, "k", vendor.fetch, clock.now() + 60)
        assert vendor.fetch_began.wait(30)
        second = pool.submit(tokens.get, "k", fetch_then_recover, clock.now() + 60)
        vendor.may_answer.set()
        assert isinstance(first.exception(30), DeadlineExceeded)
        assert second.result(30) == Secret("mine")


def test_methods_of_one_service_share_a_token_and_services_do_not(
    open_gate: Open, box: Sandbox
) -> None:
    methods = {
        "m": {"http": "GET /anything", "envelope": "plain"},
        "n": {"http": "PUT /anything", "envelope": "plain"},
    }
    both = {"base_url": box.url, "allow_private": True, **WECHAT, "methods": methods}
    at = open_gate({"s": both, "t": both})
    for name, method in (("s", "m"), ("s", "n"), ("t", "m")):
        at.ask(method, service=name)
    assert box.tokens_issued == 2
