"""Postern under a path of somebody else's host, behind a real nginx that takes the path off, in a real Chromium."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from tests.e2e.browser import DESKTOP, NEEDS_BROWSER, Visit
from tests.e2e.front.nginx import Nginx, NginxError
from tests.e2e.live import PASSWORD, Live, catalog_for

pytestmark = [
    NEEDS_BROWSER,
    pytest.mark.skipif(
        os.environ.get("POSTERN_TEST_NGINX") == "no", reason="POSTERN_TEST_NGINX=no"
    ),
]
CONF = """
server {{
    listen 127.0.0.1:{{port}};
    location /postern/ {{
        proxy_pass http://127.0.0.1:{postern}/;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Prefix /postern;
    }}
}}
"""


@pytest.fixture(scope="module")
def live(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    service = Live(tmp_path_factory.mktemp("prefix"), catalog_for(box), TRUSTED_PROXIES="1")
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(scope="module")
def root(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL under which all of Postern is."""
    folder: Path = tmp_path_factory.mktemp("nginx")
    try:
        nginx = Nginx(
            folder, conf=CONF.replace("{postern}", str(live.port)).replace("{{port}}", "{port}")
        )
    except NginxError as error:
        pytest.fail(str(error), pytrace=False)
    with ExitStack() as stack:
        stack.callback(nginx.stop)
        yield nginx.start().url + "/postern"


@pytest.fixture
def page(browser: Browser, root: str) -> Iterator[Page]:
    visit = Visit(browser, root, viewport=DESKTOP)
    visit.expected.append("401 (UNAUTHORIZED)")  # of a wrong password
    yield visit.page
    visit.context.close()
    assert visit.problems == []


@pytest.mark.parametrize("slash", ["", "/"])
def test_the_console_logs_in_and_calls_under_a_prefix(page: Page, root: str, slash: str) -> None:
    page.goto(root + slash)
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    page.goto(f"{root}/#/try/maps/geocode")
    page.get_by_label("address").fill("Beijing")
    expect(page.get_by_label("curl")).to_contain_text(f"{root}/api/v1/call/maps/geocode")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_text("HTTP 200 after")).to_be_visible()
    page.goto(f"{root}/#/catalog")
    page.get_by_role("button", name="Read it now").click()
    expect(page.get_by_role("status").filter(has_text="has what serves")).to_be_visible()


def test_the_console_leads_to_what_to_do_under_a_prefix(page: Page, root: str) -> None:
    page.goto(root)
    page.get_by_label("Username").fill("ann")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="What to do about -2006").click()
    expect(opened.value.locator("[id='-2006']")).to_be_visible()
    assert opened.value.url == f"{root}/docs/errors#-2006"


def test_swagger_ui_calls_under_a_prefix(page: Page, root: str, live: Live) -> None:
    page.goto(f"{root}/docs")
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
    expect(page.locator(".request-url").first).to_contain_text(
        f"{root}/api/v1/call/wechat/send_msg"
    )


def test_redoc_shows_the_file_under_a_prefix(page: Page, root: str) -> None:
    page.goto(f"{root}/redoc")
    expect(page.get_by_role("heading", name="Send a message to a follower").first).to_be_attached(
        timeout=30_000
    )


def test_an_app_signs_the_path_that_it_asks_for(live: Live, root: str) -> None:
    output = live.flask("app", "create", "shop", "--allow", "maps.*").stdout
    secret = re.search(r"^secret: (\S+)$", output, re.M)
    assert secret
    signed = PosternAuth("shop", secret[1])
    answer = live.session.get(f"{root}/api/v1/call/maps/geocode?address=x", auth=signed, timeout=30)
    assert answer.status_code == 200, answer.text
