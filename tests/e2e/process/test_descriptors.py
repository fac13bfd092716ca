"""A worker without a descriptor to spare: that is ours, is over when one is free, and is all that the log says."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import GTHREAD, Live, catalog_for, wait_for
from tests.held_vendor import HeldVendor

CALLERS = 12
SPARE = 4
SERVICES = """
  numbered:
    base_url: {held}
    allow_private: true
    breaker: {{min_calls: 2, failure_rate: 0.1}}
    retry: {{times: 0}}
    timeout: {{connect: 60, read: 60}}
    deadline: 60
    methods: {{get: {{http: GET /}}}}
  named:
    base_url: http://localhost:{port}
    allow_private: true
    breaker: {{min_calls: 2, failure_rate: 0.1}}
    retry: {{times: 0}}
    methods: {{get: {{http: GET /anything}}}}
"""


class Callers:
    """Each has a connection of its own, opened while there was room for it."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._token = live.token()
        self._sessions = [requests.Session() for _ in range(CALLERS)]
        self._pool = ThreadPoolExecutor(CALLERS)
        for _ in self._pool.map(
            lambda session: self.get("/api/v1/services", session), self._sessions
        ):
            pass  # so that the worker has its connections to the database, too

    def get(self, path: str, session: requests.Session | None = None) -> requests.Response:
        proof = {"Authorization": f"Bearer {self._token}"}
        return (session or self._sessions[0]).get(self._live.url + path, headers=proof, timeout=90)

    def call_at_once(self, service: str) -> list[Future[requests.Response]]:
        path = f"/api/v1/call/{service}/get"
        return [self._pool.submit(self.get, path, session) for session in self._sessions]


@pytest.fixture
def vendor() -> Iterator[HeldVendor]:
    with HeldVendor() as running:
        yield running


@pytest.fixture(params=[(), GTHREAD], ids=["gevent", "gthread"])
def live(
    tmp_path: Path, box: Sandbox, vendor: HeldVendor, request: pytest.FixtureRequest
) -> Iterator[Live]:
    catalog = catalog_for(box, SERVICES.format(held=vendor.url, port=box.port))
    service = Live(tmp_path, catalog, gunicorn=request.param)
    try:
        yield service.start()
    finally:
        service.stop()


def codes(calls: list[Future[requests.Response]]) -> set[int]:
    return {call.result().json()["code"] for call in calls}


def test_want_of_descriptors_is_the_gateways_fault_and_passes(
    live: Live, vendor: HeldVendor
) -> None:
    [worker] = live.workers()
    usual = resource.prlimit(worker, resource.RLIMIT_NOFILE)
    callers = Callers(live)

    def spare(number: int) -> None:
        looks = [
            {int(file.name) for file in Path(f"/proc/{worker}/fd").iterdir()} for _ in range(20)
        ]
        opened = set.intersection(*looks)  # without a file that is open for a moment only
        free = [descriptor for descriptor in range(usual[0]) if descriptor not in opened]
        resource.prlimit(worker, resource.RLIMIT_NOFILE, (free[number], usual[1]))

    spare(SPARE)
    numbered = callers.call_at_once("numbered")
    wait(numbered, return_when=FIRST_COMPLETED)  # those that have a descriptor are held
    vendor.release.set()
    assert -5001 in codes(numbered)
    assert codes(numbered) <= {0, -5001}
    spare(0)
    named = callers.call_at_once("named")
    assert codes(named) == {-5001}
    for answer in (call.result().json() for call in named):
        assert (answer["error"]["source"], answer["error"]["retryable"]) == ("gateway", True)
    for service in ("numbered", "named"):
        assert callers.get(f"/api/v1/services/{service}").json()["data"]["breaker"] == "closed"

    resource.prlimit(worker, resource.RLIMIT_NOFILE, usual)
    assert codes(callers.call_at_once("named")) == {0}
    page = callers.get("/metrics").text
    assert 'code="-5001",' in page
    assert "downstream" not in "".join(line for line in page.splitlines() if 'code="-5001"' in line)
    wait_for(lambda: live.log.endswith("\n"))
    lines = [line for line in live.log.splitlines() if not line.startswith("Postern listens")]
    assert all(json.loads(line)["event"] != "unforeseen" for line in lines)
