"""A real Chromium, which must find nothing to complain about, and axe-core, which looks for what keeps people out."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    expect,
    sync_playwright,
)  # fmt: skip

from tests.e2e.live import ROOT

AXE = ROOT / "tests" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
HOW_TO_SKIP = "POSTERN_TEST_BROWSER=no leaves them out."
MISSING = f"These tests need Chromium: apt-get install chromium. {HOW_TO_SKIP}"
MISSING_AXE = f"These tests need axe-core: npm ci --prefix tests/npm. {HOW_TO_SKIP}"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESKTOP = {"width": 1200, "height": 800}
PHONE = {"width": 375, "height": 740}
#: For what a page is waited for: long enough where browser, server and vendor share two busy cores.
PATIENCE_MS = 30_000

expect.set_options(timeout=PATIENCE_MS)


NEEDS_BROWSER = pytest.mark.skipif(
    os.environ.get("POSTERN_TEST_BROWSER") == "no", reason="POSTERN_TEST_BROWSER=no"
)


class BrowserError(Exception):
    """Something is not installed; says what."""


def program() -> str:
    """:raises BrowserError: there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise BrowserError(MISSING)


def axe_script() -> Path:
    """:raises BrowserError: it is not there."""
    if not AXE.is_file():
        raise BrowserError(MISSING_AXE)
    return AXE


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        env = {**os.environ, "DEBUG": ""}
        browser = playwright.chromium.launch(executable_path=program(), args=FLAGS, env=env)
        yield browser
        browser.close()


class Visit:
    """A page, and all that went wrong with it: console errors, policy violations, exceptions, requests to others."""

    def __init__(self, browser: Browser, *allowed: str, **options: Any) -> None:
        self.context: BrowserContext = browser.new_context(reduced_motion="reduce", **options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.expected: list[str] = []
        hosts = {urlsplit(url).netloc for url in allowed}
        self.page.on(
            "console",
            lambda message: self._note(
                message.type in ("error", "warning") and not waits_for_record(message),
                message.text,
            ),
        )
        self.page.on("pageerror", lambda error: self._note(True, str(error)))
        self.page.on(
            "request",
            lambda request: self._note(foreign(request.url, hosts), f"asked {request.url}"),
        )

    def _note(self, is_problem: bool, text: str) -> None:
        if is_problem and not any(expected in text for expected in self.expected):
            self.problems.append(text)

    def inaccessible(self) -> list[str]:
        """What axe-core finds on the page as it is now that is serious or worse."""
        # Into the page's world by the debugger, which no policy of the page is about.
        report = self.page.evaluate(
            f"() => {{ {axe_script().read_text(encoding='utf-8')}; return axe.run(); }}"
        )
        return [
            f"{violation['id']}: {[node['html'] for node in violation['nodes']]}"
            for violation in report["violations"]
            if violation["impact"] in ("serious", "critical")
        ]


def waits_for_record(message: ConsoleMessage) -> bool:
    """Whether a call's record was asked for too early: it is written beside the call."""
    return "404" in message.text and "/api/v1/calls/" in message.location["url"]


def foreign(url: str, hosts: set[str]) -> bool:
    address = urlsplit(url)
    return address.scheme not in ("data", "blob", "about") and address.netloc not in hosts
