"""The pictures of the console in docs/: a real service with an hour behind it, in a real browser. `make screenshots`."""

from __future__ import annotations

import math
import random
import re
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from playwright.sync_api import Page

from gateway.stores.redis import RedisStore
from gateway.telemetry.service_stats import MINUTES, ServiceStats
from sandbox import Sandbox
from tests.e2e.browser import DESKTOP, PHONE, Visit, chromium
from tests.e2e.live import PASSWORD, ROOT, Live
from tests.ports import free_port
from tests.redis_server import RedisServer

PICTURES = ROOT / "docs" / "images"
USUAL = {
    "wechat": (40, 0.06),
    "maps": (25, 0.12),
    "demo": (12, 0.02),
    "pay": (6, 0.18),
}  # calls a minute, seconds


class Past:
    """A clock that stands at some minutes ago."""

    def __init__(self, minutes_ago: int) -> None:
        self._wall = time.time() - 60 * minutes_ago

    def wall(self) -> float:
        return self._wall

    def now(self) -> float:
        return self._wall

    def sleep(self, seconds: float) -> None:
        self._wall += seconds


def fill_the_hour(
    url: str,
    usual: Mapping[str, tuple[int, float]] = USUAL,
    failing: tuple[str, range] = ("maps", range(21, 29)),
) -> None:
    """Write the last hour's counts as workers do.

    :param usual: of each service the calls a minute, and the seconds that one takes.
    :param failing: a service, and the minutes ago in which most of its calls failed.
    """
    store = RedisStore(url, lambda *_, **__: None)
    rng = random.Random(7)  # the same pictures each time
    for ago in range(1, MINUTES):
        stats = ServiceStats(store, Past(ago))
        for name, (calls, seconds) in usual.items():
            is_failing = name == failing[0] and ago in failing[1]
            failure_rate = 0.6 if is_failing else 0.006
            slowdown = 8 if is_failing else 1
            for _ in range(round(calls * (1 + 0.5 * math.sin(ago / 9)) * rng.uniform(0.7, 1.3))):
                draw = rng.random()
                duration = seconds * rng.lognormvariate(0, 0.5)
                source = ""
                if draw < failure_rate:
                    source = "downstream"
                elif draw > 0.992:
                    source = "caller"
                stats.add(name, source, duration * slowdown)
        stats.write()
    store.close()


def catalog(url: str) -> str:
    shipped = (
        (ROOT / "services.yaml")
        .read_text(encoding="utf-8")
        .replace("http://127.0.0.1:${SANDBOX_PORT:-5099}", url)
    )
    return re.sub(r"interval: 10}", "interval: 0.5}", shipped)


def log_in(visit: Visit, url: str) -> Page:
    page = visit.page
    page.goto(url)
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("[data-service=demo]").get_by_text("health up").wait_for()
    return page


def take(url: str, failed: str) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        page = log_in(Visit(browser, url, viewport=DESKTOP, color_scheme="light"), url)
        page.screenshot(path=PICTURES / "console.png")
        page.goto(f"{url}/#/try/wechat/send_msg")
        page.get_by_label("touser").fill("o6_bmjrPTlm6")
        page.get_by_label("text").fill("hello")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("HTTP 200 after").wait_for()
        page.screenshot(path=PICTURES / "console-try.png")
        page = log_in(Visit(browser, url, viewport=PHONE, color_scheme="dark"), url)
        page.screenshot(path=PICTURES / "console-phone.png")
        page.goto(f"{url}/#/calls/{failed}")
        page.get_by_role("heading", name="Attempts").wait_for()
        page.screenshot(path=PICTURES / "console-call.png")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Sandbox(port=free_port()) as box:
        redis = RedisServer(Path(folder))
        redis.start()
        live = Live(Path(folder), catalog(box.url), REDIS_URL=redis.url)
        try:
            fill_the_hour(redis.url)
            live.start()
            answer = live.call("demo.misbehave", {"fault": "status=503"})
            take(live.url, answer.headers["X-Request-ID"])
        finally:
            live.stop()
            redis.stop()


if __name__ == "__main__":
    main()
