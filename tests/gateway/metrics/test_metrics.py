"""What is counted of calls, by the names and labels that Prometheus sees."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway import Caller
from gateway.errors import GatewayError
from gateway.metrics.exposition import render_metrics
from sandbox import Sandbox
from tests.gateway.fakes import FakeClock, Gate, comes_true, service
from tests.samples import samples

ROOT = Path(__file__).parents[3]
Open = Callable[..., Gate]
CREDENTIAL = {
    "type": "app_secret",
    "app_id": "sandbox-app",
    "secret": "sandbox-secret",
    "token_url": "/cgi-bin/token",
}


def counted(at: Gate, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """The samples of one name that are not zero, by the values of these labels."""
    return {
        key: value
        for key, value in samples(
            render_metrics(at.gateway.metrics, at.gateway.states()), name, *labels
        ).items()
        if value
    }


def test_the_page_on_metrics_names_every_one_of_them(gate: Open) -> None:
    at = gate()
    text = render_metrics(at.gateway.metrics, at.gateway.states()).decode()
    families = {family.name for family in text_string_to_metric_families(text)}
    named = set(
        re.findall(r"postern_[a-z_]+", (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8"))
    )
    elsewhere = {
        "postern_app_secrets_unreadable",
        "postern_connection_ok",
        "postern_database_up",
        "postern_redis_up",
    }
    assert {name.removesuffix("_total") for name in named} == families | elsewhere


def ask(at: Gate, times: int = 1, **how: Any) -> None:
    for _ in range(times):
        with suppress(GatewayError):
            at.ask(**how)


def test_a_call_counts_once_by_its_code_and_by_whose_fault_it_was(gate: Open, box: Sandbox) -> None:
    at = gate("GET /anything", params={"n": {"type": "integer"}})
    ask(at, 2)
    ask(at, params={"n": "x"})
    box.fault("/anything", "status=500")
    ask(at)
    assert counted(at, "postern_calls_total", "service", "method", "code", "source") == {
        ("s", "m", "0", ""): 2,
        ("s", "m", "-3003", "caller"): 1,
        ("s", "m", "-1004", "downstream"): 1,
    }


def test_a_call_of_what_is_not_there_makes_no_series(gate: Open) -> None:
    at = gate()
    ask(at, method="nobody")
    ask(at, service="nowhere")
    assert counted(at, "postern_calls_total") == {}


def test_seconds_are_told_of_the_whole_call_and_of_its_attempts(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate(
        clock=clock,
        retry={"times": 1, "backoff": 4, "max_backoff": 4},
        deadline=30,
        jitter=lambda: 1.0,
    )
    box.fault("/anything", "status=503x1")
    ask(at)
    whole = counted(at, "postern_call_duration_seconds_sum", "service", "method")
    assert whole == {("s", "m"): sum(clock.slept)} and clock.slept
    assert counted(at, "postern_call_duration_seconds_bucket", "le")[("30.0",)] == 1
    assert (
        counted(at, "postern_call_downstream_duration_seconds_sum") == {}
    )  # the clock stood still meanwhile


def test_every_attempt_counts_and_every_retry_by_its_reason(gate: Open, box: Sandbox) -> None:
    at = gate(retry={"times": 2, "backoff": 0.001, "max_backoff": 0.001})
    box.fault("/anything", "status=503x2")
    ask(at)
    box.fault("/anything", "reset;times=1")
    ask(at)
    assert counted(at, "postern_attempts_total", "code") == {
        ("-1004",): 2,
        ("-1003",): 1,
        ("0",): 2,
    }
    assert counted(at, "postern_retries_total", "service", "reason") == {
        ("s", "503"): 2,
        ("s", "connect"): 1,
    }


def test_a_breaker_tells_its_state_and_each_change(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate(
        clock=clock,
        on={"breaker": {"window": 10, "min_calls": 2, "failure_rate": 0.5, "open_for": 5}},
    )
    box.fault("/anything", "status=500x2")
    ask(at, 2)
    assert counted(at, "postern_breaker_state", "service", "state") == {("s", "open"): 1}
    clock.advance(5)
    ask(at)
    assert counted(at, "postern_breaker_state", "service", "state") == {("s", "closed"): 1}
    changes = counted(at, "postern_breaker_transitions_total", "service", "at", "state")
    assert changes == {("s", "base_url", state): 1 for state in ("open", "half_open", "closed")}


def test_the_places_in_use_are_told_and_given_back(gate: Open, may_answer: threading.Event) -> None:
    at = gate(on={"concurrency": 1})
    may_answer.clear()
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(ask, at)
        assert comes_true(
            lambda: counted(at, "postern_concurrency_in_use", "service") == {("s",): 1}
        )
        ask(at)
        may_answer.set()
        under_way.result(30)
    assert counted(at, "postern_limit_hits_total", "service", "limit") == {("s", "concurrency"): 1}
    assert counted(at, "postern_concurrency_in_use") == {}


def test_a_used_up_quota_and_a_callers_limit_are_hits(gate: Open) -> None:
    at = gate(clock=FakeClock(), rate_limit="1/minute")
    ask(at, 3)
    ask(at, 3, caller=Caller("app:shop", rate="2/minute"))
    counts = counted(at, "postern_limit_hits_total", "service", "limit")
    assert counts == {("s", "quota"): 4, ("s", "caller"): 1}


def test_the_cache_tells_hits_misses_stale_and_collapsed_answers(gate: Open, box: Sandbox) -> None:
    clock = FakeClock()
    at = gate(clock=clock, cache={"ttl": 10, "stale_if_error": 100})
    ask(at, 2)
    clock.advance(20)
    box.fault("/anything", "status=500")
    ask(at)
    expected = {("miss",): 1, ("hit",): 1, ("stale",): 1}
    assert counted(at, "postern_cache_answers_total", "outcome") == expected
    assert counted(at, "postern_fallbacks_total", "by") == {("stale",): 1}


def test_identical_calls_at_once_count_as_collapsed(
    gate: Open, box: Sandbox, may_answer: threading.Event
) -> None:
    at = gate(cache={"ttl": 10})
    may_answer.clear()
    with ThreadPoolExecutor(5) as pool:
        calls = [pool.submit(at.ask) for _ in range(5)]
        assert comes_true(lambda: at.waiting == 4)
        may_answer.set()
        for call in calls:
            call.result(30)
    assert len(box.requests) == 1
    counts = counted(at, "postern_cache_answers_total", "outcome")
    assert counts == {("miss",): 1, ("collapsed",): 4}


@pytest.mark.parametrize(("secret", "outcome"), [("sandbox-secret", "ok"), ("wrong", "failed")])
def test_fetched_credentials_count_by_how_it_went(
    open_gate: Open, box: Sandbox, secret: str, outcome: str
) -> None:
    auth = {**CREDENTIAL, "secret": secret}
    methods = {
        "m": {"http": "POST /cgi-bin/message/send", "params": {"touser": {"type": "string"}}}
    }
    at = open_gate({"s": service(box.url, auth=auth, envelope="wechat", methods=methods)})
    ask(at, params={"touser": "o"})
    assert counted(at, "postern_token_renewals_total", "service", "outcome") == {("s", outcome): 1}


def test_probes_count_and_their_verdict_is_told(gate: Open, box: Sandbox) -> None:
    at = gate(
        on={
            "health": {
                "path": "/v1/health",
                "interval": 0.1,
                "unhealthy_after": 2,
                "healthy_after": 1,
            }
        }
    )
    assert (
        samples(render_metrics(at.gateway.metrics, at.gateway.states()), "postern_service_up") == {}
    )  # nobody knows yet
    at.gateway.start()
    assert comes_true(lambda: counted(at, "postern_service_up", "service") == {("s",): 1})
    box.fault("/v1/health", "status=500")
    assert comes_true(lambda: counted(at, "postern_service_up", "service") == {})
    assert counted(at, "postern_probes_total", "service", "outcome").keys() == {
        ("s", "ok"),
        ("s", "failed"),
    }
