"""A running service takes another catalog, whole or not at all, while it serves."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import Sandbox
from sandbox.vendors.registries.consul import Consul
from sandbox.vendors.registries.nacos import Nacos
from tests.e2e.live import Live, wait_for
from tests.ports import free_port

TAKEN_WITHIN_SECONDS = 2.0  # promised
MARGIN_SECONDS = (
    28.0  # for a machine that is busy with other tests, on which processes stand still for seconds
)
STEP_SECONDS = 0.1
RELOADS = 5  # are waited for, however long a busy machine takes
RELOADS_WITHIN_SECONDS = 120.0
CATALOG = """\
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 30}}
services:
  s:
    base_url: {url}
    allow_private: true
    headers: {{X-Version: "{number}"}}
    methods:
      m: {{http: GET /anything, params: {{v: {{type: integer, default: {number}}}}}}}
"""
BROKEN = CATALOG + "      n: {{htpp: GET /anything}}\n"


class Caller:
    """One kept connection: each answer's two versions, which must be one."""

    def __init__(self, live: Live) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
        self._headers = {"Authorization": f"Bearer {live.token()}"}

    def __enter__(self) -> Caller:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self) -> tuple[str, str]:
        self._connection.request("GET", "/api/v1/call/s/m", headers=self._headers)
        answer = self._connection.getresponse()
        envelope = json.loads(answer.read())
        assert envelope["code"] == 0, envelope
        return envelope["data"]["headers"]["x-version"], envelope["data"]["query"]["v"][0]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def start(
    request: pytest.FixtureRequest, box: Sandbox, tmp_path: Path
) -> Iterator[Callable[..., Live]]:
    servers: list[Live] = []

    def make(workers: int = 1, **settings: str) -> Live:
        if workers > 1:
            settings |= {
                "WEB_CONCURRENCY": str(workers),
                "REDIS_URL": request.getfixturevalue("redis_url"),
            }
        settings = {"DEFAULT_RATE_LIMIT": "1000000/minute", **settings}
        live = Live(tmp_path, CATALOG.format(url=box.url, number=0), **settings)
        live.session.headers["Connection"] = (
            "close"  # an idle connection would hold up the end of a worker
        )
        servers.append(live)
        live.start()
        wait_for(
            lambda: live.log.count('"event":"catalog"') >= workers
        )  # one that still starts may miss a change
        return live

    yield make
    for live in servers:
        live.stop()


def taken(live: Live, workers: int, number: int) -> bool:
    """Whether many new connections, which all workers take their share of, see this version only."""
    pids = set()
    for _ in range(4 * workers):
        with Caller(live) as caller:
            pids.add(caller.ask())
    return pids == {(str(number), str(number))}


def problems(live: Live) -> list[str]:
    lines = [json.loads(line) for line in live.log.splitlines() if '"event":"catalog"' in line]
    return [line["problem"] for line in lines if "problem" in line]


def catalog_state(live: Live) -> str:
    ready = live.get("/readyz")
    assert ready.status_code == 200, ready.text
    return str(ready.json()["data"]["catalog"])


def test_no_call_fails_and_none_sees_half_a_catalog_while_it_is_replaced_all_the_time(
    start: Callable[..., Live], box: Sandbox
) -> None:
    """Of what is written ten times a second the watcher takes about one a second; one in ten is broken."""
    live = start()
    over = threading.Event()
    answers: list[tuple[str, str]] = []
    failures: list[BaseException] = []

    def call() -> None:
        try:
            with Caller(live) as caller:
                while not over.is_set():
                    answers.append(caller.ask())
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + RELOADS_WITHIN_SECONDS
    number = 0
    while len(set(answers)) <= RELOADS and not failures and time.monotonic() < deadline:
        number += 1
        live.change_catalog(
            (BROKEN if number % 10 == 0 else CATALOG).format(url=box.url, number=number)
        )
        over.wait(STEP_SECONDS)
    last = str(number + 1)
    live.change_catalog(CATALOG.format(url=box.url, number=last))
    wait_for(lambda: failures or answers[-1] == (last, last))
    over.set()
    for thread in threads:
        thread.join(30)
    assert not failures
    assert not [versions for versions in answers if versions[0] != versions[1]]
    served = {int(version) for version, _ in answers}
    assert not [
        version for version in served if version and version % 10 == 0 and version != int(last)
    ]
    assert len(served) > RELOADS


def test_four_workers_take_a_change_within_two_seconds(
    start: Callable[..., Live], box: Sandbox
) -> None:
    live = start(workers=4)
    for number in (1, 2):
        live.change_catalog(CATALOG.format(url=box.url, number=number))
        began = time.monotonic()
        assert wait_for(
            lambda number=number: taken(live, 4, number), TAKEN_WITHIN_SECONDS + MARGIN_SECONDS
        )
        print(f"all four served version {number} after {time.monotonic() - began:.2f} s")  # noqa: T201


@pytest.mark.parametrize("kind", ["consul", "nacos"])
def test_a_change_in_consul_or_nacos_is_taken_and_the_last_good_one_serves_over_a_restart(
    start: Callable[..., Live], box: Sandbox, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()  # to which it comes back
    source = Consul(port=port) if kind == "consul" else Nacos(port=port)
    name = "postern.yaml" if kind == "consul" else Nacos.name("postern.yaml")

    def change(text: str, number: int = 0) -> None:
        source.put(name, text.format(url=box.url, number=number))

    with source:
        change(CATALOG)
        live = start(workers=4, CATALOG=source.url("postern.yaml"))
        change(CATALOG, 1)
        wait_for(lambda: taken(live, 4, 1), TAKEN_WITHIN_SECONDS + MARGIN_SECONDS)
        change(BROKEN, 2)
        wait_for(
            lambda: "n.htpp is wrong" in catalog_state(live), TAKEN_WITHIN_SECONDS + MARGIN_SECONDS
        )
        wait_for(lambda: taken(live, 4, 1))
        source.stop()
        wait_for(lambda: catalog_state(live).endswith(f"{kind} cannot be asked"))
        live.stop()
        live.restart()
        wait_for(lambda: taken(live, 4, 1))  # the first worker answers before the fourth is there
        assert catalog_state(live).startswith("last good one of 20")
        wait_for_change = source.wait_for_change
        hold_seconds = 60.0  # far longer than live.stop() waits before it kills
        monkeypatch.setattr(
            source, "wait_for_change", lambda changes, _: wait_for_change(changes, hold_seconds)
        )
        source.start()
        change(CATALOG, 3)
        wait_for(lambda: taken(live, 4, 3), 4 + TAKEN_WITHIN_SECONDS + MARGIN_SECONDS)
        wait_for(lambda: catalog_state(live) == "ok")
        live.stop()
        assert live.process.returncode == 0, (
            "a question that the source holds back must not hold up the end until it is killed"
        )


def succeeded(live: Live, how: signal.Signals) -> int:
    """The only worker, once it is another than the one that this signal ends."""
    [old] = live.workers()
    os.kill(old if how == signal.SIGKILL else live.process.pid, how)
    wait_for(lambda: live.workers() not in ([old], []))
    return old


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGHUP])
def test_while_a_file_is_wrong_the_last_good_one_serves_over_the_end_of_the_worker(
    start: Callable[..., Live], box: Sandbox, how: signal.Signals
) -> None:
    """SIGKILL ends the worker, SIGHUP has the master read everything anew."""
    live = start()
    more = CATALOG + "      n: {{http: GET /anything}}\n"
    live.change_catalog(more.format(url=box.url, number=1))
    wait_for(lambda: live.call("s.n").status_code == 200)
    live.change_catalog(BROKEN.format(url=box.url, number=2))
    wait_for(lambda: "n.htpp is wrong" in catalog_state(live))
    old = succeeded(live, how)
    wait_for(lambda: not Path(f"/proc/{old}").exists())
    wait_for(live._answers)
    assert "n.htpp is wrong" in catalog_state(live)
    assert [live.call(f"s.{name}").json()["code"] for name in "mn"] == [0, 0]
    assert taken(live, 1, 1)
    assert "postern_catalog_ok 0.0" in live.get("/metrics").text
    wait_for(
        lambda: 'postern_catalog_reloads_total{outcome="refused"} 2.0' in live.get("/metrics").text
    )
    live.change_catalog(CATALOG.format(url=box.url, number=3))
    wait_for(lambda: taken(live, 1, 3), TAKEN_WITHIN_SECONDS + MARGIN_SECONDS)
    wait_for(lambda: catalog_state(live) == "ok")


def test_a_cold_start_with_a_wrong_file_stops_whatever_served_before(
    start: Callable[..., Live], box: Sandbox
) -> None:
    live = start()
    live.stop()
    live.change_catalog(BROKEN.format(url=box.url, number=1) + "    o: {}\n")
    with pytest.raises(AssertionError):
        live.restart()
    assert live.process.wait(30) == 1
    message = live.log.partition("Postern does not start:\n")[2]
    assert "yaml:10: services.s.methods.n.htpp: unknown key" in message
    assert "yaml:11: services.s.o: unknown key" in message


def test_without_a_catalog_the_start_stops_with_its_reason(tmp_path: Path) -> None:
    live = Live(tmp_path, "", CATALOG="consul://127.0.0.1:9/k?token=t-42-secret")
    with pytest.raises(AssertionError):
        live.restart()
    assert re.search(
        r"Postern does not start:\nconsul://127\.0\.0\.1:9/k: consul cannot be asked", live.log
    )
    assert "Traceback" not in live.log
    assert "t-42-secret" not in live.log


def test_a_catalog_that_becomes_a_fifo_holds_up_nobody(
    start: Callable[..., Live], box: Sandbox
) -> None:
    live = start()
    live.catalog_file.unlink()
    os.mkfifo(live.catalog_file)
    wait_for(lambda: "it is not a regular file" in catalog_state(live))
    with Caller(live) as caller:
        assert caller.ask() == ("0", "0")
    assert "TIMEOUT" not in live.log
    live.change_catalog(CATALOG.format(url=box.url, number=1))
    wait_for(lambda: taken(live, 1, 1))
