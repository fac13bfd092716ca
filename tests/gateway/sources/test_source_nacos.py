"""A catalog in Nacos, over real sockets; the server is the sandbox's stand-in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from gateway.clock import SystemClock
from gateway.masking import Masker
from gateway.sources import Missing, Source, SourceError, http, open_source
from gateway.sources.nacos import POLL_SECONDS
from sandbox.vendors.registries.nacos import LISTENER, Nacos
from tests.gateway.fakes import FakeClock, comes_true
from tests.gateway.sources.test_source_file import Script, nothing
from tests.ports import free_port

ID = "postern.yaml"
NAME = Nacos.name(ID)
RUNNING = threading.Event()
pytestmark = pytest.mark.usefixtures("registry_patience")


@pytest.fixture
def nacos() -> Iterator[Nacos]:
    with Nacos(port=free_port()) as running:
        running.put(NAME, "one")
        yield running


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as running:
        yield running


def make_source(
    nacos: Nacos, query: str = "group=DEFAULT_GROUP", clock: Any = None, **env: str
) -> Source:
    return open_source(nacos.url(ID, query), env, clock or SystemClock(), Masker())


def start_long_poll(nacos: Nacos, source: Source, pool: ThreadPoolExecutor) -> Future[str]:
    long_poll = pool.submit(source.wait_for_text, RUNNING)
    assert comes_true(lambda: nacos.requests[-1].path == LISTENER)
    assert not long_poll.done()
    return long_poll


def test_the_text_is_given_at_once_and_a_change_as_it_happens(
    nacos: Nacos, pool: ThreadPoolExecutor
) -> None:
    source = make_source(nacos)
    assert (source.read(), source.wait_for_text(RUNNING)) == ("one", "one")
    long_poll = start_long_poll(nacos, source, pool)
    nacos.put(NAME, "two")
    assert long_poll.result(30) == "two"


def test_a_change_between_two_questions_is_not_missed(nacos: Nacos) -> None:
    source = make_source(nacos)
    source.wait_for_text(RUNNING)
    nacos.put(NAME, "two")
    assert source.wait_for_text(RUNNING) == "two"


def test_where_nobody_listens_it_is_asked_again_and_again() -> None:
    with Nacos(port=free_port(), listener=False) as nacos:
        nacos.put(NAME, "one")
        source = make_source(nacos)
        script = Script(nothing, nothing, nothing)
        assert [source.wait_for_text(script) for _ in range(3)] == ["one"] * 3
        nacos.put(NAME, "two")
        assert source.wait_for_text(script) == "two"
        assert script.waits == [
            POLL_SECONDS,
            POLL_SECONDS,
        ]  # after the first time, and once the listener was seen to be missing
        assert sum(request.path == LISTENER for request in nacos.requests) == 1


def test_group_and_namespace_belong_to_the_name(nacos: Nacos, pool: ThreadPoolExecutor) -> None:
    for query, tenant in (
        ("group=TEAM&namespace=dev", "dev"),
        ("group=TEAM&tenant=dev", "dev"),
        ("group=TEAM", ""),
    ):
        name = Nacos.name(ID, "TEAM", tenant)
        nacos.put(name, f"of {query}")
        source = make_source(nacos, query)
        assert source.wait_for_text(RUNNING) == f"of {query}"
        long_poll = start_long_poll(nacos, source, pool)
        nacos.put(name, "changed")
        assert long_poll.result(30) == "changed"


def test_the_group_is_the_default_one_unless_given(nacos: Nacos) -> None:
    assert make_source(nacos, "").read() == "one"


def test_what_is_missing_is_waited_for(nacos: Nacos, pool: ThreadPoolExecutor) -> None:
    nacos.remove(NAME)
    source = make_source(nacos)
    with pytest.raises(Missing, match=r"^nacos has nothing under this name$"):
        source.wait_for_text(RUNNING)
    long_poll = start_long_poll(nacos, source, pool)
    nacos.put(NAME, "back")
    assert long_poll.result(30) == "back"


@pytest.mark.parametrize("fault", ["status=500", "close", "garbage"])
def test_an_error_is_said_and_the_next_question_is_not_held_back(nacos: Nacos, fault: str) -> None:
    source = make_source(nacos)
    source.wait_for_text(RUNNING)
    nacos.faults.set("*", fault, 1)
    with pytest.raises(SourceError, match=r"^nacos "):
        source.wait_for_text(RUNNING)
    assert source.wait_for_text(RUNNING) == "one"


def test_a_server_that_hangs_is_given_up(nacos: Nacos, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.2)
    nacos.faults.set("*", "hang")
    with pytest.raises(SourceError, match="cannot be asked"):
        make_source(nacos).wait_for_text(RUNNING)


def test_closing_ends_a_question_that_is_held_back(nacos: Nacos, pool: ThreadPoolExecutor) -> None:
    source = make_source(nacos)
    source.wait_for_text(RUNNING)
    long_poll = start_long_poll(nacos, source, pool)
    source.close()
    with pytest.raises(SourceError):
        long_poll.result(30)


@pytest.mark.parametrize(
    ("query", "env"),
    [
        ("username=ann&password=pa-55-word", {}),
        ("", {"NACOS_USERNAME": "ann", "NACOS_PASSWORD": "pa-55-word"}),
    ],
)
def test_who_has_a_user_logs_in_once_and_neither_password_nor_token_is_told(
    query: str, env: dict[str, str]
) -> None:
    with Nacos(port=free_port(), username="ann", password="pa-55-word") as nacos:
        nacos.put(NAME, "one")
        masker = Masker()
        source = open_source(nacos.url(ID, query), env, SystemClock(), masker)
        assert [source.read(), source.wait_for_text(RUNNING)] == ["one", "one"]
        assert nacos.logins == 1
        token = nacos.requests[-1].first("accessToken")
        assert masker.mask_line(f"pa-55-word {token}".encode()) == b"**** ****"
        assert "pa-55-word" not in source.name


def test_an_access_token_is_renewed_before_it_ends_and_when_it_is_refused() -> None:
    with Nacos(port=free_port(), username="ann", password="pa-55-word") as nacos:
        nacos.put(NAME, "one")
        nacos.token_ttl = 100
        clock = FakeClock()
        source = make_source(nacos, "username=ann&password=pa-55-word", clock)
        source.read()
        clock.advance(89)
        source.read()
        assert nacos.logins == 1
        clock.advance(2)
        source.read()
        assert nacos.logins == 2
        nacos.revoke()
        with pytest.raises(SourceError, match=r"^nacos answered 403$"):
            source.read()
        assert (source.read(), nacos.logins) == ("one", 3)


def test_a_refused_login_is_said() -> None:
    with (
        Nacos(port=free_port(), username="ann", password="other") as nacos,
        pytest.raises(SourceError, match=r"^nacos refused our login with 403$"),
    ):
        make_source(nacos, "username=ann&password=pa-55-word").read()
