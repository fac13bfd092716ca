"""When descriptors or threads run out that is our fault: no service's breaker, probe or numbers say
otherwise.
"""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.errors import OutOfResources
from gateway.http.connect.resolver import Address, Resolver
from gateway.middleware import health as probes
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate, comes_true, service

Open = Callable[..., Gate]
ROOT = Path(__file__).parents[4]
M = {"m": {"http": "GET /anything"}}
CODE = """
import resource
import sys
import threading
from gateway.catalog.model import Tls
from gateway.http.connect.certificates import Certificates, Trust
from gateway.clock import SystemClock
from gateway.http.connect.connector import Connector
from gateway.errors import GatewayError
from gateway.http.connect.resolver import Resolver

def outcome(origin):
    clock = SystemClock()
    tls = Certificates(clock, Trust(), print).context(Tls()).get
    try:
        Connector(origin, tls, clock, Resolver(clock), allow_private=True).connect(60).close()
        return "connected"
    except GatewayError as error:
        return type(error).__name__

usual = threading.stack_size(2**44)
threads = outcome(sys.argv[2])
threading.stack_size(usual)
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
descriptors = [outcome(sys.argv[1]), outcome(sys.argv[2])]
resource.setrlimit(resource.RLIMIT_NOFILE, (4, hard))  # for a socket, and not for the file of those it trusts
descriptors.append(outcome(sys.argv[1].replace("http:", "https:")))
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
print(threads, *descriptors, outcome(sys.argv[1]), outcome(sys.argv[2]))
"""


def full(_: str) -> list[Address]:
    raise OSError(errno.EMFILE, "Too many open files")


def test_no_descriptor_and_no_thread_are_ours_for_addresses_names_and_tls_files(
    box: Sandbox,
) -> None:
    command = [sys.executable, "-c", CODE, box.url, f"http://localhost:{box.port}"]
    done = subprocess.run(
        command,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == (4 * "OutOfResources " + "connected connected\n", "")


def test_want_of_descriptors_opens_no_breaker_and_is_sent_again_by_nobody(
    open_gate: Open, box: Sandbox
) -> None:
    looks = [full] * 20
    names = Resolver(
        SystemClock(), lambda host: looks.pop()(host) if looks else [Address(2, ("127.0.0.1", 0))]
    )
    settings = {
        "breaker": {"min_calls": 2, "failure_rate": 0.1},
        "retry": {"times": 2, "backoff": 0.001},
    }
    at = open_gate(
        {"s": service(f"http://api.example:{box.port}", methods=M, **settings)}, resolver=names
    )
    for _ in range(20):
        with pytest.raises(OutOfResources) as caught:
            at.ask()
        assert len(at.trace.attempts) == 1
    error = caught.value
    assert (error.code, error.type, error.source, error.retryable) == (
        -5001,
        "unavailable",
        "gateway",
        True,
    )
    assert at.breaker == "closed"
    assert at.ask()["path"] == "/anything"


def test_a_half_open_breaker_lets_another_probe_through_after_want_of_descriptors(
    open_gate: Open, box: Sandbox
) -> None:
    clock = FakeClock()
    looks = [full]
    names = Resolver(
        clock, lambda host: looks.pop()(host) if looks else [Address(2, ("127.0.0.1", 0))]
    )
    breaker = {"min_calls": 1, "failure_rate": 0.1, "open_for": 10}
    url = f"http://api.example:{box.port}"
    at = open_gate({"s": service(url, methods=M, breaker=breaker)}, resolver=names, clock=clock)
    box.fault("/anything", "status=503", times=1)
    looks.clear()
    with pytest.raises(Exception, match="failed"):
        at.ask()
    assert at.breaker == "open"
    clock.advance(200)  # beyond the age of the connection, too
    looks.append(full)
    with pytest.raises(OutOfResources):
        at.ask()
    assert at.ask()["path"] == "/anything"
    assert at.breaker == "closed"


def test_a_probe_that_could_not_be_sent_says_nothing_about_the_service(
    open_gate: Open, box: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Calendar(SystemClock):
        """The system's; a probe is due as soon as the test wants, and has its time to answer."""

        ahead = 0.0

        def wall(self) -> float:
            return super().wall() + self.ahead

    monkeypatch.setattr(probes, "POLL_SECONDS", 0.005)
    monkeypatch.setattr(probes, "MAX_PROBE_SECONDS", 60)
    clock = Calendar()
    hosts = []

    def look_up(host: str) -> list[Address]:
        hosts.append(host)
        return full(host) if len(hosts) < 4 else [Address(2, ("127.0.0.1", 0))]

    health = {"path": "/v1/health", "interval": 60, "unhealthy_after": 2, "healthy_after": 1}
    at = open_gate(
        {"s": service(f"http://api.example:{box.port}", methods=M, health=health)},
        resolver=Resolver(clock, look_up),
        clock=clock,
    )
    at.gateway.start()
    verdicts = set()

    def poll_verdict() -> str:
        clock.ahead += 1
        verdict = at.gateway.health(at.gateway.catalog.services["s"])
        verdicts.add(verdict)
        return verdict

    assert comes_true(lambda: poll_verdict() == "up")
    assert verdicts == {"unknown", "up"}
