"""What happened to a call, through gunicorn with four workers, a real Redis and a collector."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.collector import Collector
from tests.e2e.live import Live, catalog_for, wait_for
from tests.redis_server import RedisServer

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(scope="module")
def live(
    box: Sandbox,
    one_redis_server: RedisServer,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Live]:
    service = Live(
        tmp_path_factory.mktemp("trace"), catalog_for(box), REDIS_URL=one_redis_server.fresh().url, WEB_CONCURRENCY="4",
        LOG_LEVEL="debug", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, OTEL_BSP_SCHEDULE_DELAY="200",
    )  # fmt: skip
    try:
        yield service.start()
    finally:
        service.stop()


def at_once(live: Live, times: int, path: str, **headers: str) -> list[requests.Response]:
    """Each over a connection of its own: all four workers answer some of them."""
    headers |= {"Authorization": f"Bearer {live.token()}"}
    with ThreadPoolExecutor(times) as pool:
        return list(
            pool.map(
                lambda _: requests.get(live.url + path, headers=headers, timeout=30), range(times)
            )
        )


def test_a_record_written_by_one_worker_is_read_from_any_right_after_the_answer(live: Live) -> None:
    live.call("demo.list_items", headers={"X-Request-ID": "one"})

    def read() -> list[Any]:
        """From whichever workers, unless one of them looked before the record was written."""
        answers = at_once(live, 16, "/api/v1/calls/one")
        return (
            [answer.json()["data"] for answer in answers]
            if all(answer.ok for answer in answers)
            else []
        )

    records = wait_for(read)
    assert {record["code"] for record in records} == {0}
    assert len({json.dumps(record) for record in records}) == 1


def test_calls_of_all_workers_stand_in_one_list(live: Live) -> None:
    at_once(live, 16, "/api/v1/call/demo/list_items", **{"X-Request-ID": "many"})
    path = "/api/v1/calls/many"
    wait_for(lambda: (answer := live.get(path)).ok and len(answer.json()["data"]["more"]) == 15)
    items = live.get("/api/v1/calls?limit=16").json()["data"]["items"]
    assert [item["started_at"] for item in items] == sorted(
        (item["started_at"] for item in items), reverse=True
    )


def test_spans_reach_the_collector_under_the_callers_trace(
    live: Live, collector: Collector
) -> None:
    live.call("demo.list_items", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})

    def spans() -> list[Any]:
        return [span for span in collector.spans if span.trace_id.hex() == TRACE]

    wait_for(lambda: len(spans()) == 2)  # which may come apart
    call, attempt = sorted(spans(), key=lambda span: span.kind)
    assert attempt.parent_span_id == call.span_id
    lines = [json.loads(line) for line in live.log.splitlines() if TRACE in line]
    assert [entry["event"] for entry in lines] == ["exchange", "attempt", "request"]
    assert {entry["trace_id"] for entry in lines} == {TRACE}
