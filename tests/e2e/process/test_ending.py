"""How a server ends: told by SIGTERM, replaced by SIGHUP; nobody who asks meanwhile is turned away or cut off."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import PATIENT, Live, catalog_for, wait_for
from tests.held_vendor import HeldVendor
from tests.ports import free_port
from tests.redis_server import RedisServer

DRAIN_SECONDS = 5
WORKER_TICK_SECONDS = 0.25  # in which a worker learns that it is to end


class Clients:
    """Several threads that ask without a pause, on kept connections and on new ones.

    :ivar answers: of each request: when it ended, and its status or its error.
    """

    def __init__(self, live: Live) -> None:
        self._live = live
        self._done = threading.Event()
        self.answers: list[tuple[float, object]] = []
        self.closings = 0
        self._threads = [
            threading.Thread(target=self._ask, args=(number % 2 == 0,)) for number in range(6)
        ]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, keep: bool) -> None:
        client = http.client.HTTPConnection("127.0.0.1", self._live.port, timeout=30)
        while not self._done.is_set():
            try:
                client.request("GET", "/healthz")
                answer = client.getresponse()
                answer.read()
                self.answers.append((time.monotonic(), answer.status))
                self.closings += answer.headers["Connection"] == "close"
            except (OSError, http.client.HTTPException) as error:
                self.answers.append((time.monotonic(), error))
                client.close()
                time.sleep(0.05)
            if not keep:
                client.close()
            time.sleep(0.002)

    @property
    def failures(self) -> list[object]:
        return [(ended, answer) for ended, answer in list(self.answers) if answer != 200]


@pytest.fixture(params=[1, 2], ids=["1 worker", "2 workers"])
def live(
    request: pytest.FixtureRequest, tmp_path: Path, redis_server: RedisServer
) -> Iterator[Live]:
    settings = {"REDIS_URL": redis_server.url} if request.param > 1 else {}
    with Sandbox(port=free_port()) as box:
        service = Live(
            tmp_path, catalog_for(box), gunicorn=PATIENT,
            DRAIN_SECONDS=str(DRAIN_SECONDS), WEB_CONCURRENCY=str(request.param), **settings,
        )  # fmt: skip
        try:
            yield service.start()
        finally:
            service.stop()


def test_at_sigterm_readyz_says_503_and_everything_is_served_until_the_drain_ends(
    live: Live,
) -> None:
    with Clients(live) as clients:
        wait_for(lambda: len(clients.answers) > 50)
        ended_at = time.monotonic()
        live.process.send_signal(signal.SIGTERM)
        refusal = wait_for(lambda: unready(live))
        assert (refusal["code"], refusal["error"]["fields"]) == (-5001, {"server": ["stopping"]})
        live.process.wait(60)
    assert (
        len([ended for ended, answer in clients.answers if answer == 200 and ended > ended_at]) > 50
    )
    early = [
        (ended - ended_at, answer)
        for ended, answer in clients.failures
        if ended < ended_at + DRAIN_SECONDS
    ]
    assert not early
    cut = [
        answer for _, answer in clients.failures if not isinstance(answer, ConnectionRefusedError)
    ]
    assert not cut, "whoever was let in gets an answer"
    assert clients.closings > 3, "kept connections are told that they end"
    assert live.process.returncode == 0
    assert "Traceback" not in live.log


def unready(live: Live) -> dict:
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    return (
        json.loads(answer.partition(b"\r\n\r\n")[2]) if answer.startswith(b"HTTP/1.1 503 ") else {}
    )


def test_a_reload_loses_no_request_and_says_no_503(live: Live) -> None:
    with Clients(live) as clients:
        wait_for(lambda: len(clients.answers) > 50)
        before = set(live.workers())
        live.process.send_signal(signal.SIGHUP)
        wait_for(lambda: unready(live) or not before & set(live.workers()))
        assert not unready(live)
    assert not clients.failures
    assert "Traceback" not in live.log


def test_a_call_that_runs_during_a_reload_is_answered_by_the_worker_that_began_it(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor() as pool, Sandbox(port=free_port()) as box, HeldVendor() as vendor:
        live = Live(tmp_path, catalog_for(box, vendor.entries), gunicorn=PATIENT)
        try:
            [old] = live.start().workers()
            headers = {"Authorization": f"Bearer {live.token()}"}
            path = f"{live.url}/api/v1/call/held/wait"
            call = pool.submit(requests.post, path, json={}, headers=headers, timeout=120)
            assert vendor.asked.wait(60)
            live.process.send_signal(signal.SIGHUP)
            wait_for(  # the old one is told to end
                lambda: (
                    closes_kept_connections(live)
                    or any(map(live.accepts, {*live.workers()} - {old}))
                )
            )
            assert old in live.workers()
            vendor.release.set()
            assert call.result().json()["data"] == {}
            assert vendor.requests == 1
            live.session.close()
            wait_for(lambda: old not in live.workers())
        finally:
            live.stop()


def test_a_reload_keeps_nobody_waiting_for_the_start_of_new_workers(tmp_path: Path) -> None:
    """The new one does not start while the file is there; the old one serves, whoever comes."""
    with Sandbox(port=free_port()) as box:
        live = Live(
            tmp_path, catalog_for(box), gunicorn=("-c", "tests/e2e/process/held_start.conf.py")
        )
        try:
            live.start()
            [old] = live.workers()
            (tmp_path / "hold").touch()
            live.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(live.workers()) == 2)
            wait_for(lambda: closes_kept_connections(live))  # it is told to end
            until = time.monotonic() + 4 * WORKER_TICK_SECONDS
            while time.monotonic() < until:
                assert live.session.get(f"{live.url}/healthz", timeout=30).status_code == 200
            (tmp_path / "hold").unlink()
            wait_for(lambda: old not in live.workers())
        finally:
            live.stop()


def closes_kept_connections(live: Live) -> bool:
    answer = live.session.get(f"{live.url}/healthz", timeout=30)
    return answer.headers.get("Connection") == "close"


def test_a_worker_that_is_replaced_loses_no_request(live: Live) -> None:
    with Clients(live) as clients:
        wait_for(lambda: len(clients.answers) > 50)
        before = set(live.workers())
        live.process.send_signal(signal.SIGTTIN)  # one more worker
        wait_for(lambda: len(live.workers()) == len(before) + 1)
        live.process.send_signal(signal.SIGTTOU)  # and the oldest goes
        wait_for(lambda: len(live.workers()) == len(before) and before - set(live.workers()))
    assert not clients.failures


def test_who_waits_in_the_queue_when_the_server_ends_is_answered(tmp_path: Path) -> None:
    """Its worker is stopped while they come, so that it has accepted none of them when it is told to end."""
    with Sandbox(port=free_port()) as box:
        live = Live(tmp_path, catalog_for(box)).start()
        try:
            [worker] = live.workers()
            os.kill(worker, signal.SIGSTOP)
            waiting = [
                socket.create_connection(("127.0.0.1", live.port), timeout=30) for _ in range(40)
            ]
            for client in waiting:
                client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            os.kill(worker, signal.SIGTERM)
            os.kill(worker, signal.SIGCONT)
            live.process.terminate()
            answers = [client.recv(65536) for client in waiting]
            assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
            live.process.wait(60)
        finally:
            live.stop()


def test_ctrl_c_does_not_wait_for_load_balancers(tmp_path: Path) -> None:
    with Sandbox(port=free_port()) as box:
        live = Live(tmp_path, catalog_for(box), DRAIN_SECONDS="60").start()
        live.process.send_signal(signal.SIGINT)
        live.process.wait(40)
