"""Swagger UI and Redoc in a real Chromium: nothing from elsewhere, nothing to complain about."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.browser import NEEDS_BROWSER, Visit, chromium
from tests.e2e.live import PASSWORD, Live

pytestmark = NEEDS_BROWSER


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def visit(browser: Browser, live: Live) -> Iterator[Visit]:
    visit = Visit(browser, live.url)
    yield visit
    visit.context.close()
    assert visit.problems == []


def test_swagger_ui_authorizes_and_calls(visit: Visit, live: Live) -> None:
    page = visit.page
    page.goto(f"{live.url}/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(live.token())
    page.get_by_role("button", name="Apply credentials").first.click()
    page.get_by_role("button", name="Close").first.click()
    page.get_by_role("link", name="wechat", exact=True).click()
    page.get_by_text("Send a message to a follower").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()

    answer = page.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text('"msgid"')


def test_authorize_asks_for_the_token_first_and_for_no_signature(visit: Visit, live: Live) -> None:
    page = visit.page
    page.goto(f"{live.url}/docs")
    page.get_by_role("button", name="Authorize").first.click()
    boxes = page.locator(".auth-container h4")
    expect(boxes).to_have_text([re.compile("^bearer"), re.compile("^token")])
    expect(page.get_by_label("auth-bearer-value")).to_be_in_viewport()


def test_swagger_ui_takes_over_the_consoles_login_and_renews_it(visit: Visit, live: Live) -> None:
    page = visit.page
    page.goto(live.url)
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    page.goto(f"{live.url}/docs")
    page.get_by_role("button", name="Authorize").first.click()
    expect(page.locator(".auth-container").first).to_contain_text("Authorized", timeout=30_000)
    page.get_by_role("button", name="Close").first.click()
    page.evaluate(
        "() => { const t = JSON.parse(sessionStorage.tokens); sessionStorage.tokens = JSON.stringify({...t, until: 0}); }"
    )
    page.reload()  # by now its minutes are over
    expect(page.locator(".authorize.locked")).to_be_visible(timeout=30_000)
    page.get_by_role("link", name="wechat", exact=True).click()
    page.get_by_text("Send a message to a follower").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response").first).to_contain_text('"msgid"')


def test_redoc_shows_a_method_and_finds_it(visit: Visit, live: Live) -> None:
    page = visit.page
    page.goto(f"{live.url}/redoc")

    expect(page.get_by_role("heading", name="Send a message to a follower").first).to_be_attached(
        timeout=30_000
    )
    page.get_by_placeholder("Search").fill("geocode")
    expect(page.get_by_role("search").get_by_text("Coordinates of an address").first).to_be_visible(
        timeout=30_000
    )


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
def test_the_policy_lets_no_script_but_our_files_run(live: Live, path: str) -> None:
    answer = live.session.get(live.url + path)
    policy = dict(
        part.split(maxsplit=1) for part in answer.headers["Content-Security-Policy"].split("; ")
    )

    assert (policy["default-src"], policy["script-src"], policy["connect-src"]) == (
        "'none'",
        "'self'",
        "'self'",
    )
    assert "<script>" not in answer.text


@pytest.mark.parametrize("name", ["docs.html", "..%2f..%2fapp.py", "vendored", "LICENSE", "%00"])
def test_no_other_file_is_given_out(live: Live, name: str) -> None:
    assert live.session.get(f"{live.url}/docs/{name}").json()["code"] == -3004


def test_a_script_is_not_sent_again_to_who_has_it(live: Live) -> None:
    first = live.session.get(f"{live.url}/docs/swagger-ui-bundle.js")
    second = live.session.get(
        f"{live.url}/docs/swagger-ui-bundle.js", headers={"If-None-Match": first.headers["ETag"]}
    )

    assert (first.headers["Content-Type"], first.headers["Content-Encoding"]) == (
        "text/javascript; charset=utf-8",
        "gzip",
    )
    assert (second.status_code, second.content) == (304, b"")
