"""A service that goes away and comes back, as callers and operators see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.e2e.live import Live, wait_for
from tests.ports import free_port

CATALOG = """
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 25}}
services:
  probed:
    base_url: {url}
    allow_private: true
    health: {{path: /v1/health, interval: 2, unhealthy_after: 3, healthy_after: 1}}  # the service may stand still for 5 s
    methods: {{get: {{http: GET /anything}}}}
  unprobed:
    base_url: {url}
    allow_private: true
    retry: {{times: 0}}
    breaker: {{window: 60, min_calls: 4, failure_rate: 0.5, open_for: 6}}
    methods: {{get: {{http: GET /anything}}}}
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Live, Sandbox]]:
    with Sandbox(port=free_port()) as box:
        live = Live(tmp_path, CATALOG.format(url=box.url)).start()
        try:
            yield live, box
        finally:
            live.stop()


def shown(live: Live, name: str) -> tuple[str, str]:
    """Its health and its breaker's state, once it and the list say the same: they may change in between."""

    def reports() -> tuple[str, str] | None:
        one: dict[str, Any] = live.get(f"/api/v1/services/{name}").json()["data"]
        many = live.get("/api/v1/services").json()["data"]["items"]
        return (one["health"], one["breaker"]) if one in many else None

    both: tuple[str, str] = wait_for(reports)
    return both


def test_a_service_that_its_probes_find_down_is_refused_until_it_is_back(
    pair: tuple[Live, Sandbox],
) -> None:
    live, box = pair
    assert wait_for(lambda: shown(live, "probed")[0] == "up")
    assert live.call("probed.get").json()["code"] == 0
    box.stop()
    assert wait_for(lambda: shown(live, "probed")[0] == "down")

    answer = live.call("probed.get")

    error = answer.json()["error"]
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (
        503,
        -1008,
        "2",
    )
    assert (error["type"], error["source"], error["retryable"]) == (
        "downstream_unhealthy",
        "downstream",
        True,
    )
    assert answer.headers["X-Attempts"] == "0"
    assert live.get("/readyz").status_code == 200
    assert shown(live, "unprobed") == ("unknown", "closed")
    box.start()
    assert wait_for(lambda: live.call("probed.get").json()["code"] == 0)
    assert shown(live, "probed") == ("up", "closed")
    assert [live.log.count(f'"verdict":"{verdict}"') for verdict in ("up", "down")] == [2, 1]


def test_a_service_that_fails_is_left_alone_and_taken_up_again(pair: tuple[Live, Sandbox]) -> None:
    live, box = pair
    box.fault("/anything", "status=500")
    assert [live.call("unprobed.get").json()["code"] for _ in range(4)] == [-1004] * 4

    answer = live.call("unprobed.get")

    error = answer.json()["error"]
    assert (answer.status_code, answer.json()["code"]) == (503, -1007)
    assert 1 <= int(answer.headers["Retry-After"]) <= 6
    assert (error["type"], error["source"], error["retryable"]) == (
        "circuit_open",
        "downstream",
        True,
    )
    assert shown(live, "unprobed") == ("unknown", "open")
    assert wait_for(lambda: shown(live, "unprobed")[1] == "half_open")
    box.fault("/anything", "")
    assert live.call("unprobed.get").json()["code"] == 0
    assert shown(live, "unprobed") == ("unknown", "closed")
