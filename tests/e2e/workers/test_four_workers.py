"""What keeps a call cheap, fair and alive, through gunicorn with four workers and a real Redis: one rule, one test.

Limits, storms, the cache under a thousand callers, tokens, keys and crashes, reloads and Redis' own outages have files
of their own beside this one.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import Live, wait_for
from tests.redis_server import RedisServer

#: Each over a connection of its own: all four workers answer some of them.
CONCURRENT_CALLS = 16
CATALOG = """
version: 1
defaults: {{retry: {{times: 0}}, timeout: {{connect: 20, read: 20}}, deadline: 25}}
services:
  patient:
    base_url: "{url}"
    allow_private: true
    retry: {{times: 3, backoff: 0.1, max_backoff: 0.1}}
    breaker: {{window: 60, min_calls: 20, failure_rate: 0.5, open_for: 1}}
    methods: {{m: {{http: GET /anything/patient}}}}
  coded:
    base_url: "{url}"
    allow_private: true
    envelope: {{code: errcode, ok: [0], errors: {{"-1": downstream_error, "40003": downstream_rejected}}}}
    breaker: {{window: 60, min_calls: 20, failure_rate: 0.5, open_for: 2}}
    methods: {{m: {{http: POST /items, params: {{name: {{type: string}}, errcode: {{type: integer, in: body}}}}}}}}
  kept:
    base_url: "{url}"
    allow_private: true
    methods:
      short: {{http: GET /anything/short, cache: {{ttl: 0.5, stale_while_revalidate: 60}}}}
      rescued: {{http: GET /anything/rescued, cache: {{ttl: 0.2, stale_if_error: 60}}}}
      private: {{http: GET /anything/private, cache: {{ttl: 60, vary: caller}}}}
      never: {{http: GET /status/404, cache: {{ttl: 60}}}}
  failing:
    base_url: "{url}"
    allow_private: true
    breaker: {{window: 60, min_calls: 10000, failure_rate: 1.0, open_for: 1}}
    methods:
      by_another: {{http: GET /status/500, fallback: {{call: patient.m}}}}
      by_an_answer: {{http: GET /status/503, fallback: {{static: {{note: nobody was there}}}}}}
  gone:
    base_url: "http://127.0.0.1:9"
    backup_url: "{url}"
    allow_private: true
    methods: {{m: {{http: GET /anything/backup}}}}
  probed:
    base_url: "{url}"
    allow_private: true
    health: {{path: /v1/health, interval: 0.2, unhealthy_after: 2, healthy_after: 2}}
    methods: {{m: {{http: GET /anything/probed}}}}
aggregates:
  page:
    first: {{call: patient.m}}
    second: {{call: failing.by_an_answer}}
    third: {{call: kept.never, optional: true}}
"""


@pytest.fixture(scope="module")
def live(
    box: Sandbox, one_redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("four")
    url = one_redis_server.fresh().url
    service = Live(folder, CATALOG.format(url=box.url), REDIS_URL=url, WEB_CONCURRENCY="4")
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(autouse=True)
def _clean(box: Sandbox) -> None:
    box.reset()


def at_once(
    live: Live, path: str, times: int = CONCURRENT_CALLS, verb: str = "GET", **options: Any
) -> list[requests.Response]:
    headers = {"Authorization": f"Bearer {live.token()}", **options.pop("headers", {})}
    url = f"{live.url}/api/v1/{path}"
    with ThreadPoolExecutor(times) as pool:
        return list(
            pool.map(
                lambda _: requests.request(verb, url, headers=headers, timeout=30, **options),
                range(times),
            )
        )


def codes(answers: list[requests.Response]) -> Counter[int]:
    return Counter(answer.json()["code"] for answer in answers)


def sent(box: Sandbox, path: str) -> int:
    return sum(request.path == path for request in box.requests)


def breaker(live: Live, name: str) -> set[str]:
    """As every worker shows it."""
    return {answer.json()["data"]["breaker"] for answer in at_once(live, f"services/{name}")}


# Deadlines.


def test_a_callers_short_patience_ends_the_call_in_time_and_is_not_held_against_the_service(
    live: Live, box: Sandbox
) -> None:
    box.fault("/anything/patient", "hang")
    hurried = at_once(live, "call/patient/m", 40, headers={"X-Request-Timeout": "0.3"})
    assert codes(hurried) == {-1011: 40}
    attempts = {answer.headers["X-Attempts"] for answer in hurried}
    assert attempts <= {"0", "1"}, "its patience ended before the first attempt's read timeout did"
    assert breaker(live, "patient") == {"closed"}


# The breaker.


def test_a_vendors_error_code_inside_a_200_opens_the_circuit_for_all_workers_and_a_no_does_not(
    live: Live, box: Sandbox
) -> None:
    said_no = at_once(live, "call/coded/m", 40, verb="POST", json={"name": "a", "errcode": 40003})
    assert codes(said_no) == {-1006: 40}
    assert breaker(live, "coded") == {"closed"}
    while breaker(live, "coded") == {"closed"}:
        broken = at_once(live, "call/coded/m", verb="POST", json={"name": "a", "errcode": -1})
        assert codes(broken).keys() <= {-1004, -1007}
    failing = {
        "name": "a",
        "errcode": -1,
    }  # a probe that succeeded would close it before all are refused
    refused = wait_for(
        lambda: [
            a
            for a in at_once(live, "call/coded/m", 4, verb="POST", json=failing)
            if a.status_code == 503
        ]
    )
    assert 0 < int(refused[0].headers["Retry-After"]) <= 2
    healthy = {"name": "a", "errcode": 0}
    wait_for(lambda: codes(at_once(live, "call/coded/m", 4, verb="POST", json=healthy)) == {0: 4})
    wait_for(lambda: breaker(live, "coded") == {"closed"})


# The cache.


def test_a_stale_answer_serves_while_one_worker_asks_anew(live: Live, box: Sandbox) -> None:
    box.fault("/anything/short", "delay=0.4")
    began = time.monotonic()
    at_once(live, "call/kept/short", 1)
    wait_for(
        lambda: (
            "STALE" in {answer.headers["X-Cache"] for answer in at_once(live, "call/kept/short")}
        )
    )
    wait_for(lambda: sent(box, "/anything/short") >= 2)
    wait_for(lambda: at_once(live, "call/kept/short", 1)[0].headers["X-Cache"] == "HIT")
    assert sent(box, "/anything/short") <= 2 + (time.monotonic() - began) / 0.5  # once for each ttl


def test_a_stale_answer_stands_in_for_a_failing_service_and_the_failure_is_never_kept(
    live: Live, box: Sandbox
) -> None:
    assert codes(at_once(live, "call/kept/rescued", 1)) == {0: 1}
    box.fault("/anything/rescued", "status=500")
    wait_for(lambda: at_once(live, "call/kept/rescued", 1)[0].headers["X-Cache"] == "STALE")
    answers = at_once(live, "call/kept/rescued")
    assert codes(answers) == {0: CONCURRENT_CALLS}
    assert {answer.headers.get("X-Fallback") for answer in answers} <= {"stale"}
    box.reset()
    wait_for(lambda: at_once(live, "call/kept/rescued", 1)[0].headers["X-Cache"] == "MISS")


def test_errors_are_never_kept(live: Live, box: Sandbox) -> None:
    for _ in range(5):
        assert codes(at_once(live, "call/kept/never", 1)) == {-1006: 1}
    assert sent(box, "/status/404") == 5


def test_what_is_kept_by_caller_is_no_other_callers(live: Live, box: Sandbox) -> None:
    live.flask("user", "create", "bob", "--role", "user", "--password", "another-horse-battery")
    bob = {"Authorization": f"Bearer {live.login('bob', 'another-horse-battery')['access_token']}"}
    at_once(live, "call/kept/private")
    at_once(live, "call/kept/private", headers=bob)
    assert sent(box, "/anything/private") == 2


# Fallbacks.


@pytest.mark.parametrize(
    ("path", "by"),
    [
        ("failing/by_another", "patient.m"),
        ("failing/by_an_answer", "static"),
        ("gone/m", "backup_url"),
    ],
)
def test_something_else_answers_in_every_worker(live: Live, path: str, by: str) -> None:
    answers = at_once(live, f"call/{path}")
    assert codes(answers) == {0: CONCURRENT_CALLS}
    assert {answer.headers["X-Fallback"] for answer in answers} == {by}


# Probes.


def test_one_worker_probes_and_all_refuse_what_is_down(live: Live, box: Sandbox) -> None:
    wait_for(lambda: sent(box, "/v1/health") >= 2)

    def one_asks() -> bool:
        """One prober asks five times a second; four would ask twenty times, but for what a vendor that stood still finds waiting."""
        began, before = time.monotonic(), sent(box, "/v1/health")
        wait_for(lambda: sent(box, "/v1/health") >= before + 4)
        return sent(box, "/v1/health") - before <= 1 + 8 * (time.monotonic() - began)

    wait_for(one_asks)

    box.fault("/v1/health", "status=503")
    wait_for(lambda: codes(at_once(live, "call/probed/m")) == {-1008: CONCURRENT_CALLS})
    count = sent(box, "/anything/probed")
    assert codes(at_once(live, "call/probed/m")) == {-1008: CONCURRENT_CALLS}
    assert sent(box, "/anything/probed") == count

    box.fault("/v1/health", "")
    wait_for(lambda: codes(at_once(live, "call/probed/m")) == {0: CONCURRENT_CALLS})


# Together.


def test_batches_and_aggregates_answer_alike_from_every_worker(live: Live) -> None:
    calls = [
        {"id": "a", "service": "patient", "method": "m", "params": {}},
        {"id": "b", "service": "kept", "method": "never", "params": {}, "optional": True},
    ]
    batches = at_once(live, "batch", verb="POST", json={"calls": calls})
    assert {(answer.status_code, answer.json()["code"]) for answer in batches} == {(200, 0)}
    assert {name: part["code"] for name, part in batches[0].json()["data"].items()} == {
        "a": 0,
        "b": -1006,
    }
    pages = at_once(live, "aggregate/page")
    assert {(answer.status_code, answer.json()["code"]) for answer in pages} == {(200, 0)}
    assert {name: part["code"] for name, part in pages[0].json()["data"].items()} == {
        "first": 0,
        "second": 0,
        "third": -1006,
    }
