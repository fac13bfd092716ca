"""``examples/frontend``: from a page of another origin to the payment vendor and back, and what it brings along."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from sandbox import Sandbox
from tests.e2e.browser import NEEDS_BROWSER, Visit
from tests.e2e.live import PASSWORD, ROOT, Live, catalog_for
from tests.ports import free_port

EXAMPLE = ROOT / "examples" / "frontend"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    with ThreadingHTTPServer(
        ("127.0.0.1", free_port()), partial(Quiet, directory=str(EXAMPLE))
    ) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def live(box: Sandbox, origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("shop")
    service = Live(folder, catalog_for(box), CORS_ORIGINS=origin)
    try:
        yield service.start()
    finally:
        service.stop()


@NEEDS_BROWSER
def test_a_product_is_bought_from_a_page_of_another_origin_and_the_vendor_was_paid_once(
    browser: Browser, live: Live, origin: str
) -> None:
    answer = live.post("/api/v1/products", json={"name": "Lantern", "price": "12.50", "stock": 3})
    assert answer.status_code == 201
    visit = Visit(browser, origin, live.url)
    page = visit.page
    page.goto(f"{origin}/?postern={live.url}")
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("status")).to_have_text("Hello, ann.")
    page.get_by_role("button", name="Buy Lantern").click()
    expect(page.get_by_role("status")).to_contain_text("is paid. What the vendor says of it:")
    receipt = page.locator("#receipt").text_content() or ""
    assert receipt.count('"amount": "12.50"') == 1
    assert '"status": "succeeded"' in receipt
    expect(page.get_by_role("row", name="Lantern")).to_contain_text("2")
    assert visit.problems == []
    visit.context.close()


@NEEDS_BROWSER
def test_a_page_of_an_origin_that_is_not_listed_gets_nothing(
    browser: Browser, live: Live, origin: str
) -> None:
    visit = Visit(browser, origin, live.url)
    page = visit.page
    page.goto(f"{origin.replace('127.0.0.1', 'localhost')}/?postern={live.url}")
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("status")).to_contain_text("Postern does not answer")
    visit.context.close()


def test_the_vendored_files_are_what_they_say() -> None:
    table = (EXAMPLE / "vendor" / "README.md").read_text(encoding="utf-8")
    [(name, version, licence, digest)] = re.findall(
        r"\| `(\S+)` \| .+ \| ([\d.]+) \| MIT, `(\S+)` \| `([0-9a-f]{64})` \|", table
    )
    content = (EXAMPLE / "vendor" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == digest
    assert f"v{version} ".encode() in content[:100]
    assert "Permission is hereby granted" in (EXAMPLE / "vendor" / licence).read_text(
        encoding="utf-8"
    )
    assert {file.name for file in (EXAMPLE / "vendor").iterdir()} == {name, licence, "README.md"}
