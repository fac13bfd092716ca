"""Consul is told of this instance, again where it forgot, and no more once it leaves; over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gateway.clock import SystemClock
from gateway.discovery import registration
from gateway.discovery.registration import Announcement, Registration
from gateway.masking import Masker
from sandbox.vendors.registries.consul import Consul
from tests.gateway.fakes import WAIT_SECONDS, Lines, comes_true
from tests.ports import free_port

SELF = Announcement("postern", "10.0.0.7", 5000, "https", ("blue",))
PASS = f"/v1/agent/check/pass/service:{SELF.id}"


pytestmark = pytest.mark.usefixtures("registry_patience")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registration, "RENEW_SECONDS", 0.02)
    monkeypatch.setattr(registration, "LEAVE_SECONDS", WAIT_SECONDS)


@pytest.fixture
def consul() -> Iterator[Consul]:
    with Consul(port=free_port(), token="t-of-consul") as running:
        yield running


class Worker:
    def __init__(self, consul: Consul, log: Lines) -> None:
        self.leaving = threading.Event()
        env = {"CONSUL_HTTP_ADDR": consul.address, "CONSUL_HTTP_TOKEN": "t-of-consul"}
        self.registration = Registration(SELF, self.leaving, env, SystemClock(), log, Masker())
        self.registration.start()

    def stop(self) -> None:
        self.leaving.set()
        self.registration.close()


def test_an_instance_is_registered_once_renewed_and_gone_when_it_leaves(consul: Consul) -> None:
    log = Lines()
    workers = [Worker(consul, log) for _ in range(2)]
    assert comes_true(lambda: sum(request.path == PASS for request in consul.requests) > 2)
    (instance,) = consul.instances
    assert (instance.name, instance.address, instance.port) == ("postern", "10.0.0.7", 5000)
    assert (instance.tags, instance.meta["scheme"]) == (["blue"], "https")
    assert instance.ttl_seconds == registration.TTL_SECONDS
    for worker in workers:
        worker.stop()
    assert consul.instances == []
    assert "t-of-consul" not in str(log.events)


def test_a_consul_that_forgot_or_was_away_is_told_again(consul: Consul) -> None:
    log = Lines()
    worker = Worker(consul, log)
    assert comes_true(lambda: consul.instances)
    consul.forget_instances()
    assert comes_true(lambda: consul.instances)
    consul.stop()
    assert comes_true(lambda: "cannot be asked" in str(log.events))
    consul.forget_instances()
    consul.start()
    assert comes_true(lambda: consul.instances)
    worker.stop()
    assert consul.instances == []


def test_a_worker_that_is_only_replaced_does_not_end_the_registration(consul: Consul) -> None:
    worker = Worker(consul, Lines())
    assert comes_true(lambda: consul.instances)
    worker.registration.close()
    assert consul.instances
    worker.stop()
