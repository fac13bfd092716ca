"""The console of a hundred services with a hundred thousand calls in the last hour."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.stores.redis import RedisStore
from gateway.telemetry.service_stats import ServiceStats
from sandbox import Sandbox
from tests.e2e.browser import NEEDS_BROWSER, Visit
from tests.e2e.console.screenshots import Past, fill_the_hour
from tests.e2e.live import PASSWORD, Live
from tests.ports import free_port
from tests.redis_server import RedisServer, have_no_patience, have_patience

pytestmark = NEEDS_BROWSER

NAMES = [f"service-{number:03}" for number in range(100)]
CALLS = 17  # a minute of each service: 100,000 in the hour
DOWN = "service-077"
FAILING = "service-042"
MAX_ELEMENTS = 6000
DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
SERVICE = """
  {name}:
    base_url: "{url}"
    allow_private: true
    methods:
      get: {{http: GET /anything, summary: What {name} has}}
      put: {{http: POST /anything}}
"""
UNREACHABLE = """    health: {path: /, interval: 0.3, unhealthy_after: 1}
"""


@pytest.fixture(scope="module")
def large(
    box: Sandbox, one_redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    catalog = "version: 1\ndefaults: {retry: {times: 0}}\nservices:"
    for name in NAMES:
        url = f"http://127.0.0.1:{free_port()}" if name == DOWN else box.url
        catalog += SERVICE.format(name=name, url=url) + (UNREACHABLE if name == DOWN else "")
    redis = one_redis_server.fresh()
    have_patience()
    fill_the_hour(redis.url, dict.fromkeys(NAMES, (CALLS, 0.05)), (FAILING, range(1, 60)))
    live = Live(tmp_path_factory.mktemp("large"), catalog, REDIS_URL=redis.url)
    try:
        yield live.start()
    finally:
        live.stop()
        have_no_patience()


def fail(url: str) -> None:
    """Calls of the minute that runs: cards are sorted by the last five, whenever the hour was recorded."""
    store = RedisStore(url, lambda *_, **__: None)
    stats = ServiceStats(store, Past(0))
    for _ in range(50):
        stats.add(FAILING, "downstream", 0.05)
    stats.write()
    store.close()


def log_in(visit: Visit, live: Live) -> Page:
    page = visit.page
    page.goto(live.url)
    page.locator("#username").fill("ann")
    page.locator("#password").fill(PASSWORD)
    page.locator("form button").click()
    expect(page.locator("#services > li")).to_have_count(len(NAMES))
    return page


@pytest.mark.parametrize(
    ("viewport", "scheme", "locale"),
    [(DESKTOP, "light", "en-US"), (DESKTOP, "dark", "zh-CN"), (PHONE, "light", "zh-CN"),
     (PHONE, "dark", "en-US")],
    ids=["desktop", "desktop-zh", "phone-zh", "phone"],
)  # fmt: skip
def test_a_hundred_services_fit_and_those_in_trouble_stand_first(
    browser: Browser, large: Live, viewport, scheme: str, locale: str
) -> None:
    seen = Visit(browser, large.url, viewport=viewport, color_scheme=scheme, locale=locale)
    with seen.context:
        fail(large.env["REDIS_URL"])
        page = log_in(seen, large)
        cards = page.locator("#services > li")
        expect(cards.first).to_have_attribute("data-service", DOWN)
        expect(cards.nth(1)).to_have_attribute("data-service", FAILING)
        assert page.locator("*").count() < MAX_ELEMENTS
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.locator("#search").fill(DOWN[:-1])  # ten: axe-core takes long over a hundred
        expect(page.locator("#services > li:visible")).to_have_count(10)
        assert seen.inaccessible() == []
        assert seen.problems == []


def test_one_of_a_hundred_services_is_found_and_so_are_its_methods_and_its_callers(
    browser: Browser, large: Live
) -> None:
    seen = Visit(browser, large.url, viewport=DESKTOP)
    with seen.context:
        caller = ""
        for _ in range(3):
            request_id = large.call(f"{FAILING}.get").headers["X-Request-ID"]
            caller = large.get(f"/api/v1/calls/{request_id}").json()["data"]["caller"]
        page = log_in(seen, large)
        page.locator("#search").fill("SERVICE-04")
        expect(page.get_by_text("10 of 100 services")).to_be_visible()
        expect(page.locator("#services > li:visible")).to_have_count(10)
        page.get_by_role("link", name=FAILING).click()
        expect(page.get_by_role("heading", name=FAILING)).to_be_visible()
        page.get_by_role("link", name=caller).first.click()
        expect(page.get_by_role("heading", name=caller)).to_be_visible()
        expect(page.get_by_role("row", name=f"{FAILING}.get").first).to_be_visible()
        expect(page.get_by_role("slider")).to_have_attribute(
            "aria-label", re.compile(f"Minute of {caller}")
        )
        page.get_by_role("link", name="Catalog", exact=True).click()
        page.get_by_label("Search methods").fill("042.p")
        expect(page.get_by_text("1 of 200 methods")).to_be_visible()
        expect(page.get_by_role("link", name=f"{FAILING}.put")).to_be_visible()
        assert seen.problems == []


def test_all_of_a_callers_calls_count_on_its_page(browser: Browser, large: Live) -> None:
    """More than one answer of /calls holds."""
    for number in range(120):
        answer = large.call(f"{NAMES[number % 2]}.get")
    path = f"/api/v1/calls/{answer.headers['X-Request-ID']}"
    caller = large.get(path).json()["data"]["caller"]
    seen = Visit(browser, large.url, viewport=PHONE)
    with seen.context:
        page = log_in(seen, large)
        page.goto(f"{large.url}/#/callers/{caller}")
        for name in NAMES[:2]:
            row = page.get_by_role("row").filter(has=page.locator(f"[id='method-{name}.get']"))
            expect(row.get_by_role("cell").nth(1)).to_have_text("60")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert seen.inaccessible() == []
        assert seen.problems == []
