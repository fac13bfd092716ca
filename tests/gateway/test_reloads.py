"""Five hundred reloads while calls are running: none fails, none sees half a catalog, nothing is
left behind.
"""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from gateway.catalog.loader import CatalogError, load_catalog
from gateway.catalog.model import Method, Service
from gateway.http.client import Channel
from gateway.masking import MAX_CATALOGS, Masker, Secret
from gateway.signers.tokens.shared import Token
from gateway.state.retry_budget import RetryBudget
from gateway.state.shared_circuit import SharedCircuit
from gateway.stores import MemoryStore
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate, Wire, answer, comes_true, make_catalog, service

pytestmark = pytest.mark.slow

Open = Callable[..., Gate]
RELOADS = 500


def version(url: str, number: int) -> dict[str, Any]:
    """A service that sends its version in two places, which a reload changes both."""
    params = {"v": {"type": "integer", "default": number}}
    return {"s": service(url, deadline=30, timeout={"read": 20}, headers={"X-Version": str(number)},
                         methods={"m": {"http": "GET /anything", "params": params}})}  # fmt: skip


def broken(url: str, number: int) -> dict[str, Any]:
    return version(url, number) | {"t": {"base_ulr": "http://a.example"}}


def test_five_hundred_reloads_one_in_ten_broken_during_calls(open_gate: Open, box: Sandbox) -> None:
    at = open_gate(version(box.url, 0))
    over = threading.Event()
    answers = list[tuple[str, int]]()
    refused = 0

    def call() -> None:
        while not over.is_set():
            echo = at.ask()
            answers.append((echo["headers"]["x-version"], int(echo["query"]["v"][0])))

    with ThreadPoolExecutor(8) as pool:
        calling = [pool.submit(call) for _ in range(8)]
        for number in range(1, RELOADS + 1):
            try:
                at.gateway.swap(
                    make_catalog((broken if number % 10 == 0 else version)(box.url, number))
                )
            except CatalogError:
                refused += 1
            before = len(answers)
            assert comes_true(lambda: len(answers) > before)  # noqa: B023  # called within the loop
        over.set()
        for answer in calling:
            answer.result(30)
    assert refused == RELOADS // 10
    assert not [answer for answer in answers if answer[0] != str(answer[1])]
    assert len({number for _, number in answers}) > RELOADS / 2
    assert not {number for _, number in answers if number and number % 10 == 0}


@pytest.fixture
def no_collector() -> Iterator[None]:
    """A server's collector is tuned to run rarely: what a reload leaves must not wait for it.

    What other tests have left, and threads of theirs may free meanwhile, is not counted.
    """
    gc.collect()
    gc.freeze()
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


def alive() -> Counter[str]:
    kinds = (Method, Service, Channel, SharedCircuit, RetryBudget)
    return Counter(type(item).__name__ for item in gc.get_objects() if isinstance(item, kinds))


def test_nothing_of_a_catalog_is_left_once_it_is_replaced(
    open_gate: Open, box: Sandbox, no_collector: None
) -> None:
    """Each reload has services of other names, and calls use them."""

    def catalog(number: int) -> dict[str, Any]:
        methods = {
            "m": {"http": "GET /anything", "fallback": {"call": f"t{number}.m"}},
            "n": {"http": "GET /items"},
        }
        auth = {"type": "basic", "username": "u", "password": f"password-{number}"}
        return {name: service(box.url, auth=auth, methods=entries) for name, entries in
                ((f"s{number}", methods), (f"t{number}", {"m": {"http": "GET /anything"}}))}  # fmt: skip

    at = open_gate(catalog(0))
    at.ask(service="s0")
    before = alive()
    assert before["Method"] > 2
    for number in range(1, RELOADS + 1):
        at.gateway.swap(make_catalog(catalog(number)))
        if number % 10 == 0:
            at.ask(service=f"s{number}")
    assert alive() == before
    assert comes_true(lambda: len(box._server._live) == 1)


def test_a_fetched_token_is_forgotten_with_its_credential(
    open_gate: Open, no_collector: None
) -> None:
    token = answer(b'{"access_token":"t-1","expires_in":7200}')
    ok = answer(b"{}")

    def catalog(number: int) -> dict[str, Any]:
        auth = {
            "type": "app_secret",
            "app_id": "a",
            "secret": f"secret-{number}",
            "token_url": "/token",
        }
        return {"s": service(server.url, auth=auth, methods={"m": {"http": "GET /"}})}

    def tokens() -> int:
        return sum(isinstance(item, Token) for item in gc.get_objects())

    with Wire([token, ok] * 20) as server:
        at = open_gate(catalog(0), store=MemoryStore(FakeClock()))
        at.ask()
        before = tokens()
        for number in range(1, 20):
            at.gateway.swap(make_catalog(catalog(number)))
            at.ask()
        assert tokens() == before


def test_a_refused_catalog_leaves_nothing_either(
    open_gate: Open, box: Sandbox, no_collector: None
) -> None:
    at = open_gate(version(box.url, 0))
    before = alive()
    for number in range(20):
        with suppress(CatalogError):
            at.gateway.swap(load_catalog("version: 1\nservices: {s: 5}\n", "x", {}))
        with suppress(CatalogError):
            at.gateway.swap(make_catalog(broken(box.url, number)))
    assert alive() == before


def test_the_secrets_of_older_catalogs_are_masked_for_a_while_and_then_forgotten() -> None:
    masker = Masker()
    masker.register(Secret("lasting-secret"))
    for number in range(MAX_CATALOGS + 1):
        masker.use_catalog_secrets([Secret(f"catalog-secret-{number:02}")])
    masker.register(Secret("of-the-signer"), of_catalog=True)
    for still in ("lasting-secret", "catalog-secret-16", "catalog-secret-01", "of-the-signer"):
        assert masker.mask_line(still.encode()) == b"****"
    assert masker.mask_line(b"catalog-secret-00") == b"catalog-secret-00"


@pytest.mark.parametrize("length", range(6, 40))
def test_a_secret_of_any_length_is_found_wherever_it_stands(length: int) -> None:
    secret = "0123456789abcdefghijklmnopqrstuvwxyzABCD"[:length]
    masker = Masker()
    masker.register(Secret(secret))
    for before in range(12):
        for after in (0, 1, 7):
            assert (
                masker.mask_line(b"-" * before + secret.encode() + b"-" * after)
                == b"-" * before + b"****" + b"-" * after
            )
