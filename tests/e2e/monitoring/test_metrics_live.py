"""``/metrics`` over four workers: what it says is what was sent, whoever lives and dies meanwhile."""

from __future__ import annotations

import hashlib
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import Live, wait_for
from tests.e2e.monitoring.promtool import promtool
from tests.redis_server import RedisServer
from tests.samples import samples

CATALOG = """
version: 1
defaults: {{timeout: {{connect: 60, read: 60}}, deadline: 60, retry: {{times: 0}}}}
services: {{s: {{base_url: "{url}", allow_private: true, methods: {{m: {{http: GET {path}}}}}}}}}
"""
ROUTE = "/api/v1/call/<service>/<method>"


@pytest.fixture
def live(
    box: Sandbox, redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("metrics")
    service = Live(
        folder,
        CATALOG.format(url=box.url, path="/anything"),
        REDIS_URL=redis_server.url,
        WEB_CONCURRENCY="4",
    )
    try:
        yield service.start()
    finally:
        service.stop()


def look(live: Live) -> str:
    answer = requests.get(f"{live.url}/metrics", timeout=30)
    assert answer.status_code == 200
    return answer.text


def metric_values(live: Live, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    return samples(look(live), name, *labels)


def call(live: Live, times: int, method: str = "m") -> Counter[int]:
    """So many calls at once, each over a connection of its own: statuses."""
    headers = {"Authorization": f"Bearer {live.token()}"}
    url = f"{live.url}/api/v1/call/s/{method}"
    with ThreadPoolExecutor(8) as pool:
        return Counter(
            pool.map(
                lambda _: requests.get(url, headers=headers, timeout=30).status_code, range(times)
            )
        )


def change(live: Live, box: Sandbox, path: str) -> None:
    """Another catalog, taken by all four."""
    text = CATALOG.format(url=box.url, path=path)
    live.change_catalog(text)
    version = hashlib.sha256(text.encode()).hexdigest()[:12]
    wait_for(
        lambda: (
            {
                key
                for _ in range(20)
                for key in metric_values(live, "postern_catalog_info", "version")
            }
            == {(version,)}
        )
    )


def kill(live: Live) -> None:
    """One worker, without a word; until its successor serves."""
    pid = live.workers()[0]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid not in live.workers() and len(live.workers()) == 4)


def test_counts_are_exact_over_four_workers_three_reloads_and_two_kills(
    live: Live, box: Sandbox
) -> None:
    sent: Counter[int] = Counter()
    steps: list[Callable[[], None]] = [
        lambda: change(live, box, "/anything/1"),
        lambda: kill(live),
        lambda: change(live, box, "/anything/2"),
        lambda: kill(live),
        lambda: change(live, box, "/anything/3"),
    ]
    for step in steps:
        sent += call(live, 40) + call(live, 5, "nobody")
        step()
    sent += call(live, 40)
    assert sent == {200: 240, 404: 25}
    text = look(live)
    assert (
        samples(text, "postern_catalog_reloads_total", "outcome")[("taken",)] >= 10
    )  # a new worker begins with it
    assert samples(text, "postern_calls_total", "service", "method", "code", "source") == {
        ("s", "m", "0", ""): 240
    }
    assert samples(text, "postern_attempts_total", "code") == {("0",): 240}
    assert samples(text, "postern_call_duration_seconds_count") == {(): 240}
    requested = samples(text, "postern_http_requests_total", "route", "status")
    assert (requested[ROUTE, "200"], requested[ROUTE, "404"]) == (240, 25)
    assert len(box.requests) == 240


def test_what_a_killed_worker_was_doing_is_no_longer_in_use(live: Live, box: Sandbox) -> None:
    wait_for(
        lambda: live.log.count('"event":"catalog"') == 4
    )  # all four have begun with the first one
    text = CATALOG.format(url=box.url, path="/anything").replace(
        "methods", "concurrency: 9, methods"
    )
    live.change_catalog(text)
    wait_for(
        lambda: metric_values(live, "postern_catalog_reloads_total", "outcome").get(("taken",)) == 4
    )
    call(live, 1)
    assert metric_values(live, "postern_concurrency_in_use") == {(): 0}
    box.fault("/anything", "hang")
    headers = {"Authorization": f"Bearer {live.token()}"}
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(
            requests.get, f"{live.url}/api/v1/call/s/m", headers=headers, timeout=30
        )
        wait_for(lambda: metric_values(live, "postern_concurrency_in_use") == {(): 1})
        for pid in live.workers():
            os.kill(pid, signal.SIGKILL)
        assert hanging.exception(30) is not None
    box.reset()
    wait_for(
        lambda: (
            live._answers() and sum(metric_values(live, "postern_concurrency_in_use").values()) == 0
        )
    )


def test_redis_that_goes_and_a_catalog_that_is_wrong_are_told(
    live: Live, redis_server: RedisServer
) -> None:
    assert metric_values(live, "postern_redis_up") == {(): 1}
    redis_server.kill()
    wait_for(lambda: metric_values(live, "postern_redis_up") == {(): 0})
    redis_server.start()
    wait_for(lambda: metric_values(live, "postern_redis_up") == {(): 1})
    live.change_catalog("services: [")
    wait_for(
        lambda: metric_values(live, "postern_catalog_reloads_total", "outcome") == {("refused",): 4}
    )
    assert metric_values(live, "postern_catalog_ok") == {(): 0}


@pytest.mark.skipif(
    os.environ.get("POSTERN_TEST_PROMTOOL") == "no", reason="POSTERN_TEST_PROMTOOL=no"
)
def test_promtool_finds_nothing_to_complain_about(live: Live, box: Sandbox) -> None:
    call(live, 3)
    call(live, 1, "nobody")
    box.fault("/anything", "status=503")
    call(live, 1)
    done = promtool("check", "metrics", text=look(live))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_sighup_forgets_no_count(live: Live, box: Sandbox) -> None:
    box.reset()
    call(live, 20)
    before, old = metric_values(live, "postern_calls_total", "service", "code"), set(live.workers())
    assert before["s", "0"] == 20
    live.session.close()  # a kept connection is waited for
    live.process.send_signal(signal.SIGHUP)
    wait_for(lambda: len(live.workers()) == 4 and not old & set(live.workers()))
    call(live, 5)
    assert metric_values(live, "postern_calls_total", "service", "code")["s", "0"] == 25
