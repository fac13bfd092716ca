"""``flask top``: what it says is what was called; and it leaves a terminal as it found it."""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pytest

from cli.top.metrics_snapshot import quantile
from sandbox import Sandbox
from tests.e2e.live import BIN, ROOT, Live, wait_for

CATALOG = """
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 30}}
services:
  good: {{base_url: "{url}", allow_private: true, methods: {{m: {{http: GET /anything}}}}}}
  bad-and-with-a-very-long-name-indeed:
    base_url: {url}
    allow_private: true
    breaker: {{min_calls: 4, window: 60, open_for: 60}}
    health: {{path: /v1/health, interval: 2}}  # and so long an answer may take
    retry: {{times: 0}}
    methods: {{m: {{http: GET /status/500}}, no: {{http: GET /status/404}}}}
"""
BAD = "bad-and-with-a-very-long-name-indeed"


@pytest.fixture(scope="module")
def live(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    service = Live(tmp_path_factory.mktemp("top"), CATALOG.format(url=box.url))
    try:
        yield service.start()
    finally:
        service.stop()


class Terminal:
    """``flask top`` in a terminal of so many columns."""

    def __init__(self, live: Live, columns: int, *words: str) -> None:
        self.main, self._end = pty.openpty()
        self.resize(columns)
        self.before = termios.tcgetattr(self._end)
        env = {key: value for key, value in live.env.items() if key not in ("COLUMNS", "LINES")}
        command = [str(BIN / "flask"), "top", "--every", "0.2", *words]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env={**env, "TERM": "xterm"}, stdin=self._end, stdout=self._end, stderr=self._end,
            start_new_session=True,
        )  # fmt: skip
        os.set_blocking(self.main, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.said = ""

    def resize(self, columns: int) -> None:
        fcntl.ioctl(self._end, termios.TIOCSWINSZ, struct.pack("HHHH", 12, columns, 0, 0))

    def reads(self) -> str:
        """All of it; a terminal gives no more than some thousand bytes at once."""
        with suppress(BlockingIOError):
            while True:
                self.said += self._decoder.decode(os.read(self.main, 65536))
        return self.said

    def frame(self) -> list[str]:
        """The last whole picture, without colours."""
        frames = self.reads().split("\x1b[H")[1:]
        whole = [frame for frame in frames if frame.endswith("\x1b[J")]
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", whole[-1]).splitlines() if whole else []

    def after(self) -> list[object]:
        return termios.tcgetattr(self._end)


@contextmanager
def terminal(live: Live, columns: int = 80, *words: str) -> Iterator[Terminal]:
    screen = Terminal(live, columns, *words)
    try:
        yield screen
    finally:
        screen.process.kill()
        screen.process.wait()
        os.close(screen.main)


def test_one_look_tells_rates_latency_failures_breaker_and_health(live: Live) -> None:
    wait_for(lambda: live.call(f"{BAD}.m").json()["code"] == -1007)
    wait_for(lambda: live.get(f"/api/v1/services/{BAD}").json()["data"]["health"] == "up")
    with ThreadPoolExecutor(1) as pool:
        measuring = pool.submit(live.flask, "top", "--once", "--json", "--every", "5")
        while (
            not measuring.done()
        ):  # whenever the command is up: some of each is within its interval
            live.call("good.m")
            live.call(f"{BAD}.m")
            live.call(f"{BAD}.no")
    data = json.loads(measuring.result().stdout)
    services = {service["service"]: service for service in data["services"]}
    good, bad = services["good"], services[BAD]
    assert data["seconds"] >= 5
    assert good["rate"] > 0.1
    assert good["failed"] == 0
    assert 0 < good["p50"] <= good["p99"]
    assert (good["breaker"], good["health"]) == ("closed", "unknown")
    assert (bad["breaker"], bad["health"]) == ("open", "up")
    assert bad["failed"] > 0.9, "an open breaker's refusals are failures"


def test_a_terminal_shows_it_live_and_is_left_as_it_was(live: Live) -> None:
    with terminal(live) as screen:
        rows = wait_for(lambda: [line for line in screen.frame() if line.startswith("good")])
        assert re.fullmatch(
            r"good +\d+\.\d +\S+( ms| s)? +\S+( ms| s)? +\S+ +closed +unknown", rows[0]
        )
        os.write(screen.main, b"x")  # no key of ours
        before = len(screen.said)
        wait_for(lambda: len(screen.reads()) > before)
        os.write(screen.main, b"q")
        wait_for(lambda: screen.reads() and screen.process.poll() is not None)
        assert screen.process.returncode == 0
        assert screen.after() == screen.before
        assert screen.reads().endswith("\x1b[?25h\x1b[?1049l")


def test_control_c_ends_it_without_a_word(live: Live) -> None:
    with terminal(live) as screen:
        wait_for(screen.frame)
        screen.process.send_signal(signal.SIGINT)
        wait_for(lambda: screen.reads() and screen.process.poll() is not None)
        assert screen.process.returncode == 0
        assert screen.after() == screen.before
        assert "Abort" not in screen.said
        assert "Traceback" not in screen.said


def test_a_narrow_terminal_shows_what_fits(live: Live) -> None:
    with terminal(live, 80) as screen:
        for columns, header in (
            (60, "SERVICE CALLS/S P99 FAILED BREAKER HEALTH"),
            (40, "SERVICE CALLS/S P99"),
            (24, "SERVI… CALLS/S FAILED"),
        ):
            screen.resize(columns)
            lines = wait_for(
                lambda wide=columns: (
                    max(map(len, screen.frame()), default=999) <= wide and screen.frame()
                )
            )
            assert len(lines) == 4
            assert " ".join(lines[1].split()).startswith(header)
            assert any(line.startswith("bad-") for line in lines)


def test_without_a_terminal_it_prints_one_table_after_another(live: Live) -> None:
    command = [str(BIN / "flask"), "top", "--every", "0.2", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, env=live.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        looks = [json.loads(running.stdout.readline()) for _ in range(3)]
        running.send_signal(signal.SIGINT)
        output = running.communicate(timeout=30)[1]
    assert all({service["service"] for service in look["services"]} >= {"good"} for look in looks)
    assert running.returncode == 0
    assert b"Traceback" not in output


@pytest.mark.parametrize(
    ("share", "counts", "seconds"),
    [
        (0.5, (4, 8, 10, 10), 0.2),  # 5 of 10: a quarter into the second bucket
        (0.99, (0, 0, 100, 100), 0.99),
        (0.99, (0, 0, 0, 10), 1.0),  # longer than the last bound: nobody knows by how much
        (0.5, (0, 0, 0, 0), None),
    ],
)
def test_percentiles_are_those_that_prometheus_would_give(
    share: float, counts: tuple[int, ...], seconds: float | None
) -> None:
    buckets = dict(zip((0.1, 0.5, 1.0, float("inf")), map(float, counts), strict=True))
    assert quantile(share, buckets) == (
        None if seconds is None else pytest.approx(seconds, abs=0.01)
    )
