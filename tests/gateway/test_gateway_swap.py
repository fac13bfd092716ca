"""Another catalog while calls are running; and who may call what."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gateway import Caller, chain
from gateway.errors import ConnectionLost, Forbidden, InvalidParams, NotFound
from sandbox import Sandbox
from tests.gateway.fakes import Gate, Wire, answer, comes_true, make_catalog, service
from tests.ports import free_port

Open = Callable[..., Gate]


def one(url: str, path: str = "/v1/health", name: str = "s", **settings: Any) -> dict[str, Any]:
    return {name: service(url, methods={"m": {"http": f"GET {path}"}}, **settings)}


def test_a_call_in_flight_finishes_on_the_catalog_it_began_with(
    open_gate: Open, box: Sandbox, may_answer: threading.Event
) -> None:
    with Sandbox(port=free_port()) as other:
        at = open_gate(one(box.url, "/anything/old"))
        may_answer.clear()
        with ThreadPoolExecutor(1) as pool:
            flying = pool.submit(at.ask)
            assert comes_true(lambda: box.requests)
            at.gateway.swap(make_catalog(one(other.url, "/anything/new")))
            assert at.ask()["path"] == "/anything/new"
            assert not flying.done()
            may_answer.set()
            assert flying.result(30)["path"] == "/anything/old"
        assert comes_true(lambda: not box._server._live)


def test_a_call_in_flight_may_even_try_again_on_the_old_catalog(
    open_gate: Open, box: Sandbox
) -> None:
    at = open_gate(one(box.url, "/v1/health", retry={"times": 1, "backoff": 0.001}))
    box.fault("/v1/health", "delay=0.1;status=503x1")
    with ThreadPoolExecutor(1) as pool:
        flying = pool.submit(at.ask)
        assert comes_true(lambda: box.requests)
        at.gateway.swap(make_catalog({}))
        assert flying.result(30) == {"status": "ok"}


def test_connections_of_a_service_that_is_gone_are_closed(open_gate: Open, box: Sandbox) -> None:
    at = open_gate({**one(box.url), **one(box.url, name="t")})
    at.ask()
    at.ask(service="t")
    assert len(box._server._live) == 2
    at.gateway.swap(make_catalog(one(box.url, name="t")))
    assert comes_true(lambda: len(box._server._live) == 1)
    with pytest.raises(NotFound):
        at.ask()
    at.ask(service="t")
    assert box.connections == 2


def test_a_service_that_stays_keeps_its_connections_and_its_token(
    open_gate: Open, box: Sandbox
) -> None:
    auth = {
        "type": "app_secret",
        "app_id": "sandbox-app",
        "secret": "sandbox-secret",
        "token_url": "/cgi-bin/token",
    }
    at = open_gate(one(box.url, auth=auth))
    at.ask()
    at.gateway.swap(make_catalog(one(box.url, "/anything", auth=auth, deadline=5)))
    at.ask()
    assert (box.connections, box.tokens_issued) == (1, 1)


def test_a_changed_credential_fetches_a_token_of_its_own(open_gate: Open) -> None:
    token = answer(b'{"access_token":"t-1","expires_in":7200}')
    ok = answer(b"{}")
    auth = {"type": "app_secret", "app_id": "a", "secret": "one-secret", "token_url": "/token"}
    with Wire([token, ok, token, ok]) as server:
        at = open_gate(one(server.url, auth=auth))
        at.ask()
        at.gateway.swap(make_catalog(one(server.url, auth={**auth, "secret": "two-secret"})))
        at.ask()
    assert [b"one-secret" in server.heard[0], b"two-secret" in server.heard[2]] == [True, True]


def test_the_secrets_of_a_new_catalog_are_masked(open_gate: Open, box: Sandbox) -> None:
    at = open_gate(one(box.url))
    at.gateway.swap(make_catalog(one(box.url, auth={"type": "bearer", "token": "brand-new-token"})))
    assert at.masker.mask_line(b"x brand-new-token") == b"x ****"


def test_the_gateway_says_which_catalog_it_uses(open_gate: Open, box: Sandbox) -> None:
    at = open_gate(one(box.url))
    new = make_catalog(one(box.url))
    assert at.gateway.catalog is not new
    at.gateway.swap(new)
    assert at.gateway.catalog is new
    assert at.gateway.method("s", "m") is new.services["s"].methods["m"]


def test_closing_closes_every_connection(open_gate: Open, box: Sandbox) -> None:
    at = open_gate(one(box.url))
    at.ask()
    at.gateway.close()
    assert comes_true(lambda: not box._server._live)


@pytest.mark.parametrize(
    ("name", "method", "says"),
    [("nope", "m", "There is no service nope."), ("s", "nope", "There is no method s.nope."),
     ("", "", "There is no service .")],
)  # fmt: skip
def test_what_is_not_in_the_catalog_is_not_found(
    open_gate: Open, box: Sandbox, name: str, method: str, says: str
) -> None:
    at = open_gate(one(box.url))
    for ask in (at.ask, at.dry):
        with pytest.raises(NotFound) as caught:
            ask(method, service=name)
        assert str(caught.value).startswith(f"{says} GET /api/v1/services")
        assert caught.value.code == -3004
    assert box.requests == []


@pytest.mark.parametrize(
    ("allow", "may"),
    [
        (("*",), True), (("s",), True), (("s.*",), True), (("s.m",), True), (("t", "s.m"), True), (("*.m",), True),
        (("s.m*",), True), ((), False), (("t",), False), (("s.n",), False), (("s.mm",), False), (("S.m",), False),
        (("ss.*",), False), (("m",), False), (("",), False), (("s.",), False), (("*.n",), False),
    ],
)  # fmt: skip
def test_a_caller_may_call_what_its_list_allows(
    open_gate: Open, box: Sandbox, allow: tuple[str, ...], may: bool
) -> None:
    at = open_gate(one(box.url))
    caller = Caller("app:shop", allow=allow)
    if may:
        assert at.ask(caller=caller) == {"status": "ok"}
    else:
        for ask in (at.ask, at.dry):
            with pytest.raises(Forbidden) as caught:
                ask(caller=caller)
            assert caught.value.code == -2004
            assert str(caught.value).startswith("You may not call s.m; ask an admin")
        assert box.requests == []


@pytest.mark.parametrize(
    ("roles", "role", "may"),
    [
        (None, "guest", False), (None, "user", True), (None, "admin", True),
        (["admin"], "user", False), (["admin"], "admin", True),
        (["user"], "admin", True), (["guest", "user"], "guest", True), (None, "root", False), (None, "", False),
    ],
)  # fmt: skip
def test_a_role_decides_who_may_call_a_service(
    open_gate: Open, box: Sandbox, roles: list[str] | None, role: str, may: bool
) -> None:
    at = open_gate(one(box.url, **({"roles": roles} if roles else {})))
    caller = Caller("user:1", role)
    if may:
        assert at.ask(caller=caller) == {"status": "ok"}
    else:
        with pytest.raises(Forbidden):
            at.ask(caller=caller)
        assert box.requests == []


def test_who_may_not_call_learns_nothing_of_the_parameters(open_gate: Open, box: Sandbox) -> None:
    at = open_gate(one(box.url))
    with pytest.raises(Forbidden):
        at.ask("m", {"unknown": 1}, caller=Caller("app:x", allow=()))
    with pytest.raises(InvalidParams):
        at.ask("m", {"unknown": 1})


def test_a_catalog_whose_chains_cannot_be_made_leaves_the_old_one_in_use(
    open_gate: Open, box: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = open_gate(one(box.url))
    broken = make_catalog(one(box.url, "/anything"))

    def fail(*_: object) -> None:
        raise ConnectionLost

    monkeypatch.setattr(chain, "build_chain", fail)
    with pytest.raises(ConnectionLost):
        at.gateway.swap(broken)
    assert at.ask() == {"status": "ok"}
