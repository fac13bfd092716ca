"""Who has an answer finds its lines in the log, whatever becomes of the worker."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import Sandbox
from tests.e2e.live import GTHREAD, Live
from tests.ports import free_port

CATALOG = """
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 30}}
services:
  s:
    base_url: {url}
    allow_private: true
    methods:
      echo: {{http: POST /anything}}
"""


@pytest.fixture(params=[(), GTHREAD], ids=["gevent", "gthread"])
def live(request: Any, tmp_path: Path) -> Iterator[Live]:
    with Sandbox(port=free_port()) as box:
        running = Live(tmp_path, CATALOG.format(url=box.url), gunicorn=request.param)
        yield running.start()
        running.stop()


def events(live: Live, request_id: str) -> list[str]:
    lines = [json.loads(line) for line in live.log.splitlines() if line.startswith("{")]
    return [line["event"] for line in lines if line.get("request_id") == request_id]


def test_a_worker_that_is_killed_has_written_the_lines_of_its_answers(live: Live) -> None:
    [worker] = live.workers()
    answer = live.call("s.echo", headers={"X-Request-ID": "the-last"})
    os.kill(worker, signal.SIGKILL)
    assert answer.status_code == 200
    assert events(live, "the-last") == ["attempt", "request"]


def test_an_ordinary_end_loses_no_line(live: Live) -> None:
    names = [f"request-{number}" for number in range(20)]
    for name in names:
        live.call("s.echo", headers={"X-Request-ID": name})
    live.stop(signal.SIGTERM)
    assert [events(live, name) for name in names] == [["attempt", "request"]] * len(names)
