"""The console in a real browser, on a live service, from log-in to log-out."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect
from playwright.sync_api import Error as PlaywrightError

from sandbox import Sandbox
from sandbox.vendors.oauth import CLIENT_ID, CLIENT_SECRET
from tests.api.test_console_files import texts
from tests.e2e.browser import DESKTOP, NEEDS_BROWSER, PHONE, Visit
from tests.e2e.live import PASSWORD, Live
from tests.ports import free_port

pytestmark = NEEDS_BROWSER

CATALOG = """
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 30, retry: {{times: 0}}}}
services:
  probed:
    base_url: "{stopped}"
    allow_private: true
    health: {{path: /v1/health, interval: 2, unhealthy_after: 1, healthy_after: 1}}  # and so long an answer may take
    methods: {{get: {{http: GET /anything}}}}
  demo:
    base_url: "{url}"
    allow_private: true
    methods:
      echo:
        http: POST /anything
        summary: Says what it was told
        params:
          name: {{type: string, required: true, minLength: 2, description: Who it is for}}
          size: {{type: string, enum: [small, large], default: large}}
          count: {{type: integer, minimum: 1, maximum: 9}}
          urgent: {{type: boolean}}
          where: {{type: object, properties: {{city: {{type: string, pattern: "^[^0-9]+$"}}}}}}
          tags: {{type: array, items: {{type: object, properties: {{k: {{type: string, required: true}}}}}}}}
      fail: {{http: GET /status/500}}
      upload: {{http: POST /anything, body: multipart, params: {{media: {{type: object, required: true}}}}}}
      passed: {{http: POST /anything, stream: true, body: multipart}}
      events:
        http: POST /v1/chat/completions
        stream: true
        params:
          model: {{type: string, required: true, example: "echo;held"}}
          messages: {{type: array, required: true, items: {{type: object}}, example: [{{role: user, content: hello you}}]}}
          stream: {{type: boolean, default: true}}
      greet:
        http: POST /anything
        params:
          name: {{type: string, required: true, example: Ann}}
          note: {{type: string, example: nothing}}
  crm:
    base_url: "{url}"
    allow_private: true
    auth:
      type: oauth2
      grant: authorization_code
      authorization_url: "{url}/oauth2/authorize"
      token_url: /oauth2/token
      client_id: "{client_id}"
      client_secret: "{client_secret}"
      scope: orders
    methods: {{me: {{http: GET /oauth2/me}}}}
"""


@pytest.fixture(scope="module")
def stopped() -> Iterator[Sandbox]:
    """The one that goes down."""
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture(scope="module")
def live(
    box: Sandbox, stopped: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("console")
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    service = Live(folder, CATALOG.format(url=box.url, stopped=stopped.url, **client))
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture
def visit(browser: Browser, live: Live) -> Iterator[Callable[..., Visit]]:
    """Opens the page; when the test ends, nothing may have gone wrong with any that was opened."""
    with ExitStack() as stack:
        made: list[Visit] = []

        def open_page(**options: object) -> Visit:
            made.append(Visit(browser, live.url, **{"viewport": DESKTOP, **options}))
            stack.callback(made[-1].context.close)
            made[-1].page.goto(live.url)
            return made[-1]

        yield open_page
        assert [each.problems for each in made] == [[] for _ in made]


def log_in(visit: Visit) -> Page:
    visit.page.get_by_label("Username").fill("ann")
    visit.page.get_by_label("Password").fill(PASSWORD)
    visit.page.get_by_role("button", name="Log in").click()
    expect(visit.page.get_by_role("heading", name="Services")).to_be_visible()
    return visit.page


def card(page: Page, service: str):
    return page.locator(f"[data-service={service}]")


def what_to_do(place: Locator) -> Locator:
    return place.get_by_role("link", name="What to do about")


def test_a_wrong_password_is_said_and_the_login_outlives_a_reload_but_not_a_log_out(visit) -> None:
    seen = visit()
    seen.expected.append("401 (UNAUTHORIZED)")
    seen.page.get_by_label("Username").fill("ann")
    seen.page.get_by_label("Password").fill("wrong")
    seen.page.get_by_role("button", name="Log in").click()
    expect(seen.page.get_by_role("alert")).to_contain_text(
        "Wrong username or password; type both again, or ask an admin for a new password."
    )
    expect(what_to_do(seen.page.get_by_role("alert"))).to_have_attribute(
        "href", "/docs/errors#-2006"
    )
    page = log_in(seen)
    page.reload()
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_a_token_that_ends_is_renewed_and_one_that_is_revoked_ends_the_login(
    visit, live: Live
) -> None:
    seen = visit()
    page = log_in(seen)
    page.evaluate(
        "() => { const t = JSON.parse(sessionStorage.tokens); sessionStorage.tokens = JSON.stringify({...t, until: 0}); }"
    )
    before = page.evaluate("JSON.parse(sessionStorage.tokens).access_token")
    page.reload()
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    after = page.evaluate("JSON.parse(sessionStorage.tokens).access_token")
    assert after != before
    seen.expected.append("401 (UNAUTHORIZED)")
    live.post("/api/v1/logout", headers={"Authorization": f"Bearer {after}"})
    expect(page.get_by_text("Your login has ended.")).to_be_visible()


def test_a_service_is_seen_to_go_down_and_to_come_back(visit, live: Live, stopped: Sandbox) -> None:
    page = log_in(visit())
    expect(card(page, "probed")).to_contain_text("health up")
    stopped.stop()
    expect(card(page, "probed")).to_contain_text("health down")
    expect(page.get_by_role("status")).to_contain_text("probed: health down")
    assert live.call("probed.get").json()["error"]["type"] == "downstream_unhealthy"
    stopped.start()
    expect(card(page, "probed")).to_contain_text("health up")
    expect(card(page, "probed")).not_to_have_class("trouble")


def test_an_admin_connects_an_account_in_another_tab_and_disconnects_it(
    visit, live: Live, box: Sandbox
) -> None:
    page = log_in(visit())
    page.get_by_role("link", name="Connections").click()
    expect(page.get_by_role("cell", name="not connected")).to_be_visible()
    page.get_by_role("button", name="Connect crm").click()
    with page.expect_popup() as opened:
        page.get_by_role("link", name="Open the page of crm").click()
    expect(opened.value.get_by_text("crm is connected.")).to_be_visible()
    opened.value.close()
    expect(page.get_by_role("cell", name=re.compile("by ann"))).to_be_visible()
    expect(page.get_by_role("cell", name="orders")).to_be_visible()
    assert live.call("crm.me").json()["data"] == {"scope": "orders"}

    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Disconnect crm").click()
    expect(page.get_by_role("cell", name="not connected")).to_be_visible()
    assert live.call("crm.me").json()["code"] == -1012


def test_an_admin_makes_changes_and_disables_users_and_apps_and_reads_who_did_it(
    visit, live: Live
) -> None:
    page = log_in(visit())
    page.get_by_role("link", name="Users").click()
    page.get_by_label("Username").fill("carl")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Password of carl, shown this once")).to_be_visible()
    page.get_by_label("Role of carl").select_option("guest")
    expect(page.get_by_text("carl is guest")).to_be_visible()
    page.get_by_role("button", name="Disable carl").click()
    expect(page.get_by_role("button", name="Enable carl")).to_be_visible()

    page.get_by_role("link", name="Apps").click()
    page.get_by_label("App id").fill("shop")
    page.get_by_label("May call (").fill("demo.*")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_text("Secret of shop, shown this once")).to_be_visible()
    page.get_by_label("allow of shop").fill("demo nothing")
    page.get_by_label("allow of shop").press("Enter")
    expect(page.get_by_text("nothing names nothing in the catalog")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Delete shop").click()
    expect(page.get_by_role("button", name="Delete shop")).to_have_count(0)

    page.get_by_role("link", name="Audit").click()
    page.get_by_label("object").fill("app:shop")
    page.get_by_role("button", name="Filter").click()
    for action in ("app.create", "app.change", "app.delete"):
        expect(page.get_by_role("cell", name=action)).to_be_visible()
    expect(page.get_by_role("cell", name="user.disable")).to_have_count(0)


def test_who_is_no_admin_sees_no_connections(visit, live: Live) -> None:
    live.flask("user", "create", "bea", "--role", "user", "--password", PASSWORD)
    seen = visit()
    seen.page.get_by_label("Username").fill("bea")
    seen.page.get_by_label("Password").fill(PASSWORD)
    seen.page.get_by_role("button", name="Log in").click()
    expect(seen.page.get_by_role("link", name="Calls")).to_be_visible()
    expect(seen.page.get_by_role("link", name="Connections")).to_be_hidden()


def test_calls_show_as_rate_latency_share_of_errors_and_by_whose_fault_they_failed(
    visit, live: Live
) -> None:
    live.call("demo.echo", {"name": "Ann"})
    live.call("demo.fail")
    live.call("demo.echo", {})
    page = log_in(visit())
    expect(card(page, "demo").get_by_role("img")).to_have_attribute(
        "aria-label", re.compile(r"^demo: \d+ calls, [1-9]\d* failed in the last hour$")
    )
    for fact in ("rate", "p50", "p99", "errors"):
        expect(card(page, "demo").locator("dl")).to_contain_text(fact)
    expect(page.get_by_label("Faults")).to_contain_text(re.compile("downstream.s fault"))
    expect(page.get_by_label("Faults").locator(".downstream b")).not_to_have_text("0")
    expect(page.get_by_label("Faults").locator(".caller b")).not_to_have_text("0")


def test_what_a_minute_had_is_told_by_keyboard_and_by_pointer(visit, live: Live) -> None:
    live.call("demo.echo", {"name": "Ann"})
    page = log_in(visit())
    chart = card(page, "demo").get_by_role("slider")
    chart.focus()
    page.keyboard.press("End")
    expect(chart).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("Home")
    expect(chart).to_have_attribute("aria-valuetext", re.compile("no calls$"))
    expect(card(page, "demo")).to_contain_text("no calls")
    box = chart.bounding_box()
    assert box
    chart.hover(position={"x": box["width"] - 1, "y": 5})
    expect(chart).to_have_attribute("aria-valuenow", "0")


def test_services_are_searched_and_those_that_nothing_probes_say_so(visit, live: Live) -> None:
    page = log_in(visit())
    expect(card(page, "demo")).to_contain_text("not probed")
    page.get_by_label("Search services").fill("DEM")
    expect(card(page, "probed")).to_be_hidden()
    expect(card(page, "demo")).to_be_visible()
    with page.expect_response("**/api/v1/status"):
        pass
    expect(page.get_by_text("1 of 3 services")).to_be_visible()
    expect(card(page, "probed")).to_be_hidden()


def test_services_in_trouble_stand_first(visit, live: Live, stopped: Sandbox) -> None:
    page = log_in(visit())
    first = page.locator("#services > li").first
    stopped.stop()
    expect(first).to_have_class("card trouble")
    expect(first).to_have_attribute("data-service", "probed")
    stopped.start()
    expect(first).to_have_class("card")


def test_an_address_that_is_no_page_says_so(visit, live: Live) -> None:
    page = log_in(visit())
    for route in ("nowhere", "toString", "%E0%A4%A"):
        page.goto(f"{live.url}/#/{route}")
        expect(page.get_by_role("heading", name="Not found")).to_be_visible()
    page.get_by_role("link", name="To the services").click()
    expect(card(page, "demo")).to_be_visible()


def test_calls_are_filtered_and_one_is_found_by_its_request_id(visit, live: Live) -> None:
    failed = live.call("demo.fail").headers["X-Request-ID"]
    fine = live.call("demo.echo", {"name": "Ann"}).headers["X-Request-ID"]
    page = log_in(visit())
    page.get_by_role("link", name="Calls").click()
    expect(page.locator(f"a[href='#/calls/{fine}']")).to_be_visible()
    page.get_by_label("Outcome").select_option("failed")
    expect(page.locator(f"a[href='#/calls/{failed}']")).to_be_visible()
    expect(page.locator(f"a[href='#/calls/{fine}']")).to_have_count(0)
    page.get_by_label("Outcome").select_option("all")
    page.get_by_label("Method").fill("echo")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("method=echo"))
    expect(page.locator(f"a[href='#/calls/{fine}']")).to_be_visible()
    expect(page.locator(f"a[href='#/calls/{failed}']")).to_have_count(0)
    page.get_by_label("Request id").fill(failed)
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_role("heading", name="demo.fail")).to_be_visible()


class Held:
    """Answers that do not come before they are let go."""

    def __init__(self, page: Page, url: str) -> None:
        self._page = page
        self._url = url
        self._routes: list[Route] = []

    def __enter__(self) -> Held:
        self._page.route(self._url, lambda route: self._routes.append(route))  # noqa: PLW0108  # Playwright asks for a function
        return self

    def __exit__(self, *_: object) -> None:
        self._page.unroute(self._url)
        for route in self._routes:
            with suppress(PlaywrightError):  # the page no longer waits for it
                route.continue_()


def test_what_is_typed_while_a_list_is_awaited_stays_and_so_does_the_focus(
    visit, live: Live
) -> None:
    failed = live.call("demo.fail").headers["X-Request-ID"]
    fine = live.call("demo.echo", {"name": "Ann"}).headers["X-Request-ID"]
    page = log_in(visit())
    page.goto(f"{live.url}/#/calls")
    expect(page.locator(f"a[href='#/calls/{fine}']")).to_be_visible()
    asked = "**/api/v1/calls?*failed=true*"
    with Held(page, asked):
        with page.expect_request(asked):
            page.get_by_label("Outcome").select_option("failed")
        expect(page).to_have_url(re.compile("failed=true"))
        page.get_by_label("Method").fill("fa")
        page.get_by_label("Method").press("End")
    expect(page.locator(f"a[href='#/calls/{fine}']")).to_have_count(0)
    expect(page.locator(f"a[href='#/calls/{failed}']")).to_be_visible()
    expect(page.get_by_label("Method")).to_have_value("fa")
    expect(page.get_by_label("Method")).to_be_focused()
    page.keyboard.type("il")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("method=fail"))
    expect(page.get_by_label("Method")).to_be_focused()


def test_an_answer_that_comes_late_is_not_drawn_over_a_newer_one(visit, live: Live) -> None:
    fine = live.call("demo.echo", {"name": "Ann"}).headers["X-Request-ID"]
    seen = visit()
    page = log_in(seen)
    page.goto(f"{live.url}/#/calls")
    expect(page.locator(f"a[href='#/calls/{fine}']")).to_be_visible()
    asked = "**/api/v1/calls?*method=nothing*"
    with Held(page, asked):
        page.get_by_label("Method").fill("nothing")
        with page.expect_request(asked):
            page.get_by_role("button", name="Filter").click()
        page.get_by_label("Method").fill("echo")
        with page.expect_response("**/api/v1/calls?*method=echo*"):
            page.get_by_role("button", name="Filter").click()
        expect(page).to_have_url(re.compile("method=echo"))
    with page.expect_response("**/api/v1/calls?*method=echo*"):
        pass
    expect(page.get_by_text("No such call is kept.")).to_have_count(0)
    expect(page.locator(f"a[href='#/calls/{fine}']")).to_be_visible()


def test_the_form_of_the_calls_follows_the_address(visit, live: Live) -> None:
    live.call("demo.echo", {"name": "Ann"})
    page = log_in(visit())
    page.goto(f"{live.url}/#/calls?method=echo")
    expect(page.get_by_label("Method")).to_have_value("echo")
    page.locator("#found").get_by_role("link", name="user:").first.click()
    page.get_by_role("link", name="that are kept").click()
    expect(page.get_by_label("Caller", exact=True)).to_have_value(re.compile("^user:"))
    expect(page.get_by_label("Method")).to_have_value("")
    page.go_back()
    page.go_back()
    expect(page.get_by_label("Method")).to_have_value("echo")
    expect(page.get_by_label("Caller", exact=True)).to_have_value("")
    page.go_forward()
    page.go_forward()
    expect(page.get_by_label("Caller", exact=True)).to_have_value(re.compile("^user:"))
    page.go_back()
    page.go_back()
    page.get_by_label("Method").fill("fail")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("method=fail"))
    page.go_back()
    expect(page.get_by_label("Method")).to_have_value("echo")
    page.get_by_label("Service").fill("dem")
    page.get_by_role("link", name="Clear").click()
    expect(page).to_have_url(re.compile("#/calls$"))
    expect(page.get_by_label("Method")).to_have_value("")
    expect(page.get_by_label("Service")).to_have_value("")
    expect(page.get_by_role("link", name="Clear")).to_be_focused()


@pytest.mark.parametrize(("path", "field"), [("users", "Username"), ("apps", "App id")])
def test_what_is_typed_of_a_new_one_outlives_turning_the_page(
    visit, live: Live, path: str, field: str
) -> None:
    live.flask("app", "create", f"for-{path}", "--allow", "*")
    page = log_in(visit())
    page.route(f"**/api/v1/{path}?*", _say_there_are_many)
    page.goto(f"{live.url}/#/{path}")
    asked = f"**/api/v1/{path}?*skip=50*"
    page.get_by_label(field).fill("ne")
    page.get_by_role("link", name="Older").wait_for()
    with Held(page, asked):
        with page.expect_request(asked):
            page.get_by_role("link", name="Older").click()
        page.get_by_label(field).fill("new")
    expect(page.get_by_text("none of")).to_be_visible()
    expect(page.get_by_label(field)).to_have_value("new")
    expect(page.get_by_label(field)).to_be_focused()


def _say_there_are_many(route: Route) -> None:
    response = route.fetch()
    answer = response.json()
    answer["data"]["total"] = 100
    route.fulfill(response=response, json=answer)


def test_a_change_of_one_app_leaves_what_is_typed_of_another(visit, live: Live) -> None:
    for name in ("left", "right"):
        live.flask("app", "create", name, "--allow", "demo.*")
    page = log_in(visit())
    page.goto(f"{live.url}/#/apps")
    changed = "**/api/v1/apps/left"
    with Held(page, changed):
        page.get_by_label("rate of left").fill("5/minute")
        with page.expect_request(changed):
            page.get_by_label("rate of left").press("Enter")
        page.get_by_label("allow of left").fill("demo.echo dem")
        page.get_by_label("rate of right").press_sequentially("7/mi")
    expect(page.get_by_text("Done")).to_be_visible()
    expect(page.get_by_label("rate of left")).to_have_attribute("value", "5/minute")
    expect(page.get_by_label("allow of left")).to_have_value("demo.echo dem")
    expect(page.get_by_label("rate of right")).to_have_value("7/mi")
    expect(page.get_by_label("rate of right")).to_be_focused()


def test_what_is_half_typed_of_an_app_is_not_sent_when_its_row_is_drawn_anew(
    visit, live: Live
) -> None:
    live.flask("app", "create", "half", "--allow", "demo.*")
    page = log_in(visit())
    page.goto(f"{live.url}/#/apps")
    changed = "**/api/v1/apps/half"
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.method))
    with Held(page, changed):
        page.get_by_label("rate of half").fill("5/minute")
        with page.expect_request(changed):
            page.get_by_label("rate of half").press("Enter")
        page.get_by_label("allow of half").press("End")
        page.keyboard.type(" dem")
    expect(page.get_by_label("rate of half")).to_have_attribute("value", "5/minute")
    expect(page.get_by_label("allow of half")).to_have_value("demo.* dem")
    expect(page.get_by_label("allow of half")).to_be_focused()
    assert sent.count("PATCH") == 1


def test_what_is_typed_to_filter_the_audit_log_stays(visit, live: Live) -> None:
    page = log_in(visit())
    page.goto(f"{live.url}/#/audit")
    asked = "**/api/v1/audit?*actor=nobody*"
    with Held(page, asked):
        page.get_by_label("actor").fill("nobody")
        with page.expect_request(asked):
            page.get_by_label("actor").press("Enter")
        page.get_by_label("object").fill("app:")
    expect(page.get_by_text("none of 0")).to_be_visible()
    expect(page.get_by_label("object")).to_have_value("app:")
    expect(page.get_by_label("object")).to_be_focused()


def test_a_minute_that_is_read_by_keyboard_stays_while_its_card_is_drawn_anew(
    visit, live: Live
) -> None:
    live.call("demo.echo", {"name": "Ann"})
    page = log_in(visit())
    chart = card(page, "demo").get_by_role("slider")
    chart.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(chart).to_have_attribute("aria-valuenow", "-2")
    drawn = card(page, "demo").get_by_role("img").get_attribute("aria-label") or ""
    live.call("demo.echo", {"name": "Ann"})
    expect(card(page, "demo").get_by_role("img")).not_to_have_attribute("aria-label", drawn)
    expect(chart).to_have_attribute("aria-valuenow", "-2")
    expect(chart).to_be_focused()


def test_the_catalog_is_named_and_one_that_was_not_taken_says_why(visit, live: Live) -> None:
    page = log_in(visit())
    good = live.catalog_file.read_text()
    version = page.locator("#catalog code").text_content()
    live.change_catalog(good + "  broken: {base_urll: x}\n")
    expect(page.get_by_role("alert")).to_contain_text("A newer catalog was not taken")
    expect(page.get_by_role("alert")).to_contain_text("broken")
    expect(page.locator("#catalog code")).to_have_text(version or "")
    live.change_catalog(good)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_the_page_of_the_catalog_tells_all_that_is_wrong_and_what_differs(
    visit, live: Live
) -> None:
    seen = visit()
    page = log_in(seen)
    page.get_by_role("link", name="Catalog", exact=True).click()
    expect(page.get_by_text("It is what its source has.")).to_be_visible()
    good = live.catalog_file.read_text()
    line = good.count("\n") + 1
    live.change_catalog(good + "  broken: {base_urll: x, auth: {type: bearer, token: hunter2}}\n")
    try:
        expect(page.get_by_role("alert")).to_contain_text(f"line {line}, services.broken")
        problems = page.locator("#refused table")
        expect(problems).to_contain_text("services.broken.base_urll")
        expect(problems.get_by_role("row", name="did you mean")).to_contain_text(str(line))
        diff = page.locator("#diff")
        expect(diff).to_contain_text(f"{line} +  broken: {{base_urll: x, auth: {{type: bearer")
        expect(page.locator("main")).not_to_contain_text("hunter2")
        assert seen.inaccessible() == []
        page.get_by_role("button", name="Read it now").press("Enter")
        expect(page.get_by_role("status").filter(has_text="is refused")).to_be_visible()
    finally:
        live.change_catalog(good)
    expect(page.get_by_text("It is what its source has.")).to_be_visible()
    expect(page.locator("#diff")).to_have_count(0)
    expect(page.get_by_role("button", name="Read it now")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").filter(has_text="has what serves")).to_be_visible()


def test_a_refused_catalog_is_not_read_anew_because_another_worker_tells_of_it(visit) -> None:
    page = log_in(visit())
    page.clock.set_fixed_time(time.time())  # of each ten seconds that pass it is read anew
    told = 0

    def tell_as_another(route) -> None:
        nonlocal told
        told += 1
        answer = route.fetch().json()
        answer["data"]["catalog"] |= {"error": "line 1 is wrong", "reloads": told}
        route.fulfill(json=answer)

    page.route("**/api/v1/status", tell_as_another)
    reads: list[str] = []
    page.on("request", lambda each: reads.append(each.url) if "/v1/catalog" in each.url else None)
    page.get_by_role("link", name="Catalog", exact=True).click()
    expect(page.get_by_text(re.compile(r"worker that answers: ([4-9]|\d\d)"))).to_be_visible()
    assert len(reads) == 1
    page.unroute_all(behavior="ignoreErrors")  # one may be under way


def test_a_page_whose_module_did_not_come_is_drawn_once_it_comes(visit) -> None:
    seen = visit()
    seen.expected += ["ERR_FAILED", "Failed to load resource"]
    page = log_in(seen)
    page.route("**/admin.js", lambda route: route.abort())
    page.get_by_role("link", name="Users").click()
    expect(page.get_by_role("alert")).to_have_text("Postern does not answer; trying again.")
    page.unroute("**/admin.js")
    expect(page.get_by_role("heading", name="Users", level=1)).to_be_visible()


def test_modules_of_another_release_reload_the_page_but_not_over_and_over(visit) -> None:
    seen = visit()
    page = log_in(seen)
    newer = 'import { newer } from "./dom.js"; export const draw = newer;'
    page.route(
        "**/admin.js", lambda route: route.fulfill(body=newer, content_type="text/javascript")
    )
    with page.expect_event("load"):
        page.get_by_role("link", name="Users").click()
    loads: list[str] = []
    page.on("load", lambda loaded: loads.append(loaded.url))
    expect(page.get_by_role("alert")).to_have_text("Postern does not answer; trying again.")
    page.get_by_role("link", name="Catalog").click()
    expect(page.get_by_role("heading", name="Catalog", level=1)).to_be_visible()
    assert not loads


def test_a_method_is_tried_from_its_form_and_the_curl_line_is_the_same_call(
    visit, live: Live
) -> None:
    seen = visit()
    page = log_in(seen)
    card(page, "demo").get_by_role("link").click()
    page.get_by_role("link", name="echo", exact=True).click()
    expect(page.get_by_label("Method")).to_have_value("echo")
    expect(page.get_by_text("Says what it was told")).to_be_visible()
    expect(page.get_by_label("size")).to_have_value("large")
    page.get_by_role("button", name="Send").click()
    assert page.evaluate("document.activeElement.name") == "name", (
        "what is required is asked for before it is sent"
    )
    page.get_by_label("name").fill("O'Hara")
    count = page.get_by_label("count")
    expect(count).to_have_accessible_description("integer · at least 1 · at most 9")
    count.fill("3")
    page.get_by_label("urgent").select_option("true")
    page.get_by_label("city").fill("北京")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text("HTTP 200")
    answer = page.get_by_role("region", name="Answer")
    expect(answer.get_by_label("Headers of the answer")).to_contain_text("X-Attempts: 1")
    expect(answer.get_by_label("Answer", exact=True)).to_contain_text('"code": 0')
    sent = '{"name":"O\'\\\'\'Hara","size":"large","count":3,"urgent":true,"where":{"city":"北京"}}'
    line = page.get_by_label("curl").text_content() or ""
    assert f"-d '{sent}'" in line
    assert "Bearer $TOKEN" in line


def test_what_must_be_given_begins_with_its_example(visit, live: Live) -> None:
    page = log_in(visit())
    page.goto(f"{live.url}/#/try/demo/greet")
    expect(page.get_by_label("name")).to_have_value("Ann")
    expect(page.get_by_label("note")).to_have_value("")
    expect(page.get_by_label("curl")).to_contain_text("""-d '{"name":"Ann"}'""")


def test_what_the_answer_says_of_a_field_stands_beside_it(visit) -> None:
    seen = visit()
    seen.expected.append("400 (BAD REQUEST)")
    page = log_in(seen)
    page.goto(f"{page.url.partition('#')[0]}#/try/demo/echo")
    page.get_by_label("name").fill("Ann")
    page.get_by_label("city").fill("4")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("[id='param-where.city-error']")).to_be_visible()
    expect(page.get_by_label("city")).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="As JSON").click()
    page.get_by_label("Parameters as JSON").fill('{"name": "Ann", "where": {"town": 5}}')
    page.get_by_role("button", name="Send").click()
    expect(page.locator("form")).to_contain_text("where.town: ")
    page.get_by_label("Parameters as JSON").fill("{nonsense")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("form")).to_contain_text("JSON at position")


def test_lists_of_objects_have_forms_which_json_fills_and_reads(visit, live: Live) -> None:
    page = log_in(visit())
    page.goto(f"{live.url}/#/try/demo/echo")
    page.get_by_label("name").fill("Ann")
    page.get_by_role("button", name="Add to tags").click()
    page.get_by_label("k (required)").fill("one")
    page.get_by_role("button", name="Add to tags").click()
    page.get_by_label("k (required)").nth(1).fill("two")
    page.get_by_role("button", name="Remove item 1 of tags").click()
    expect(page.get_by_label("k (required)")).to_have_value("two")
    page.get_by_role("button", name="As JSON").click()
    as_json = page.get_by_label("Parameters as JSON")
    assert json.loads(as_json.input_value())["tags"] == [{"k": "two"}]
    as_json.fill('{"name": "Bea", "tags": [{"k": "x"}, {"k": "y"}]}')
    page.get_by_role("button", name="As a form").click()
    expect(page.get_by_label("k (required)").nth(1)).to_have_value("y")
    page.get_by_role("button", name="Send").click()
    sent = page.get_by_role("region", name="Answer")
    expect(sent).to_contain_text("HTTP 200")
    expect(sent).to_contain_text("Bea")


def test_a_file_is_chosen_and_sent_as_a_form(visit, live: Live, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(b"not quite a cat")
    page = log_in(visit())
    page.goto(f"{live.url}/#/try/demo/upload")
    page.get_by_label("media").set_input_files(tmp_path / "cat.png")
    expect(page.get_by_label("curl")).to_contain_text("-F 'media=@\"cat.png\";type=image/png'")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text("HTTP 200")
    expect(page.get_by_role("region", name="Answer")).to_contain_text("cat.png")


def test_a_body_that_is_passed_on_is_a_file_from_the_disk(
    visit, live: Live, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"nothing but a text")
    page = log_in(visit())
    page.goto(f"{live.url}/#/try/demo/passed")
    page.get_by_label("File", exact=True).set_input_files(tmp_path / "a.txt")
    expect(page.get_by_label("curl")).to_contain_text("-F 'file=@\"a.txt\";type=text/plain'")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text("HTTP 200")
    expect(page.get_by_role("region", name="Answer")).to_contain_text("nothing but a text")


def test_a_stream_shows_as_it_comes_and_is_cancelled(visit, live: Live) -> None:
    page = log_in(visit())
    page.goto(f"{live.url}/#/try/demo/events")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_label("Answer so far")).to_contain_text("data:")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("alert")).to_have_text("Cancelled.")
    expect(page.get_by_label("Answer so far")).to_contain_text("data:")


def test_a_picture_in_an_answer_is_shown(visit, live: Live) -> None:
    page = log_in(visit())
    picture = page.screenshot()
    page.route(
        "**/call/demo/fail",
        lambda route: route.fulfill(
            status=200, content_type="image/png", body=picture, headers={"X-Request-ID": "r-1"}
        ),
    )
    page.goto(f"{live.url}/#/try/demo/fail")
    page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("img", name="The picture of the answer")).to_be_visible()
    expect(page.get_by_role("link", name="Save the")).to_be_visible()


def test_what_was_sent_is_kept_in_the_tab_with_its_answer(visit, live: Live) -> None:
    seen = visit()
    seen.expected.append("404 (NOT FOUND)")
    page = log_in(seen)
    page.goto(f"{live.url}/#/try/demo/echo")
    page.get_by_label("name").fill("Ann Example")
    page.get_by_text("Headers").click()
    page.get_by_label("X-Request-Timeout").fill("25")
    expect(page.get_by_label("curl")).to_contain_text("X-Request-Timeout: 25")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="What happened to this call").click()
    expect(page.get_by_role("heading", name="demo.echo")).to_be_visible()
    page.go_back()
    expect(page.get_by_label("name")).to_have_value("Ann Example")
    expect(page.get_by_role("region", name="Answer")).to_contain_text("HTTP 200")
    page.get_by_label("name").fill("Bea")
    page.get_by_role("button", name="demo.echo").click()
    expect(page.get_by_label("name")).to_have_value("Ann Example")


def test_a_failed_call_is_opened_from_the_list_and_tells_what_was_tried(visit, live: Live) -> None:
    request_id = live.call("demo.fail").headers["X-Request-ID"]
    seen = visit()
    seen.expected.append("404 (NOT FOUND)")  # until it is written, which is done beside the calls
    page = log_in(seen)
    page.get_by_role("link", name="Calls").click()
    page.locator(f"a[href='#/calls/{request_id}']").click()
    expect(page.get_by_role("heading", name="demo.fail", level=1)).to_be_visible()
    expect(
        page.get_by_text(re.compile(r"downstream_error \(-1004\), downstream.s fault"))
    ).to_be_visible()
    expect(page.get_by_role("row", name="1 ").first).to_contain_text("500")
    expect(page.get_by_text(request_id)).to_be_visible()
    with page.expect_popup() as opened:
        what_to_do(page.locator("main")).click()
    expect(opened.value.locator("[id='-1004']")).to_be_visible()
    opened.value.close()


def test_the_answer_of_a_try_leads_to_what_happened_to_it(visit, live: Live) -> None:
    seen = visit()
    seen.expected.append("404 (NOT FOUND)")
    page = log_in(seen)
    page.goto(f"{live.url}/#/try/demo/echo")
    page.get_by_label("name").fill("Ann")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("link", name="What happened to this call").click()
    expect(page.get_by_role("heading", name="demo.echo", level=1)).to_be_visible()
    expect(page.get_by_text('"name": "Ann"')).to_be_visible()


def test_the_theme_follows_the_system_until_it_is_chosen_and_is_remembered(visit) -> None:
    page = log_in(visit(color_scheme="dark"))

    def ground() -> str:
        return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))

    dark = ground()
    page.get_by_role("button", name="Theme: auto").click()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert ground() != dark
    page.reload()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    assert ground() != dark
    page.get_by_role("button", name="Theme: light").click()
    assert ground() == dark


def test_all_of_it_is_reached_by_keyboard_and_the_focus_stays_while_numbers_change(visit) -> None:
    seen = visit()
    page = seen.page
    expect(page.get_by_label("Username")).to_be_focused()
    page.keyboard.type("ann")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Services")).to_be_visible()
    page.reload()
    expect(card(page, "demo")).to_be_visible()
    reached = []
    while not reached or reached[-1] != "service-demo":
        page.keyboard.press("Tab")
        element = "document.activeElement"
        reached.append(page.evaluate(f"{element}.id || {element}.textContent.trim()"))
        assert len(reached) < 30, reached
    assert reached[:13] == [
        "Skip to content",
        "Postern",
        "Services",
        "Try",
        "Calls",
        "Catalog",
        "Users",
        "Apps",
        "Audit",
        "Connections",
        "theme",
        "logout",
        "to-catalog",
    ]
    assert "search" in reached
    with page.expect_response("**/api/v1/status"):
        pass
    with page.expect_response("**/api/v1/status"):
        pass
    assert page.evaluate("document.activeElement.textContent") == "demo"
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="demo")).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    page.get_by_role("link", name="echo", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Try a method")).to_be_visible()
    expect(page.locator("main")).to_be_focused()
    page.get_by_label("Method").focus()
    page.keyboard.press("ArrowDown")
    expect(page).to_have_url(re.compile("#/try/demo/fail$"))
    expect(page.get_by_label("Method")).to_be_focused()


@pytest.mark.parametrize(
    ("viewport", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"]
)
def test_no_page_keeps_people_out_or_is_wider_than_the_screen(
    visit, live: Live, scheme: str, viewport
) -> None:
    failed = live.call("demo.fail").headers["X-Request-ID"]
    seen = visit(color_scheme=scheme, viewport=viewport)
    seen.expected.append(
        "404 (NOT FOUND)"
    )  # until the call is written, which is done beside the calls
    assert seen.inaccessible() == []
    page = log_in(seen)
    good = live.catalog_file.read_text()
    live.change_catalog(good + f"  broken: {{base_urll: {'long' * 100}}}\n")
    try:
        page.goto(f"{live.url}/#/catalog")
        expect(page.locator("#diff")).to_contain_text("broken")
        assert seen.inaccessible() == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        live.change_catalog(good)
    pages = {
        "services": "Services",
        "try/demo/echo": "Try a method",
        "services/demo": "demo",
        "services/none": "No such service",
        "calls": "Calls",
        "calls?failed=true&service=demo": "Calls",
        "catalog": "Catalog",
        "users": "Users",
        "apps": "Apps",
        "audit": "Audit",
        "nowhere": "Not found",
        "connections": "Connections",
        f"calls/{failed}": "demo.fail",
    }
    for route, heading in pages.items():
        page.goto(f"{live.url}/#/{route}")
        expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
        assert seen.inaccessible() == [], route
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), route


def test_while_postern_is_away_the_page_says_so_and_goes_on_when_it_is_back(visit) -> None:
    seen = visit()
    seen.expected += ["ERR_FAILED", "Failed to load resource"]
    page = log_in(seen)
    page.route("**/api/v1/status", lambda route: route.abort())
    expect(page.get_by_role("alert")).to_have_text("Postern does not answer; trying again.")
    expect(card(page, "demo")).to_be_visible()
    page.unroute("**/api/v1/status")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_chinese_browser_reads_chinese_on_every_page(visit, live: Live) -> None:
    """But for names, commands, error messages, and the Try page's."""
    failed = live.call("demo.fail").headers["X-Request-ID"]
    live.call("demo.echo", {"name": "Ann"})
    live.flask("app", "create", "zh-app", "--allow", "*")
    seen = visit(locale="zh-CN")
    seen.expected.append("404 (NOT FOUND)")
    page = seen.page
    expect(page.get_by_role("heading", name="登录")).to_be_visible()
    assert english(page) == []
    page.get_by_label("用户名").fill("ann")
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("heading", name="服务", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    good = live.catalog_file.read_text()
    live.change_catalog(good + "  broken: {base_urll: x}\n")
    try:
        page.goto(f"{live.url}/#/catalog")
        expect(page.locator("#diff")).to_contain_text("broken")
        page.get_by_role("button", name="立即读取").click()
        expect(page.get_by_role("status").filter(has_text="已被拒绝")).to_be_visible()
        assert english(page) == []
        assert seen.inaccessible() == []
    finally:
        live.change_catalog(good)
    caller = live.get(f"/api/v1/calls/{failed}").json()["data"]["caller"]
    pages = {
        "services": "服务",
        "services/demo": "demo",
        "try/demo/echo": "试用一个方法",
        "services/none": "没有这个服务",
        "calls": "调用",
        f"calls/{failed}": "demo.fail",
        "calls/nothing": "没有这个调用",
        f"callers/{caller}": caller,
        "catalog": "服务目录",
        "users": "用户",
        "apps": "应用",
        "audit": "审计",
        "connections": "账号连接",
        "nowhere": "页面不存在",
    }
    for route, heading in pages.items():
        page.goto(f"{live.url}/#/{route}")
        expect(page.get_by_role("heading", name=heading, level=1, exact=True)).to_be_visible()
        assert english(page) == [], route
        assert seen.inaccessible() == [], route


@pytest.mark.parametrize(
    ("locale", "is_chinese"), [("en-GB", False), ("de-DE", False), ("zh-CN", True)]
)
def test_only_a_browser_that_prefers_chinese_loads_the_chinese_texts(
    visit, locale: str, is_chinese: bool
) -> None:
    page = visit(locale=locale).page
    expect(page.locator("#username")).to_be_visible()
    names = page.evaluate("performance.getEntriesByType('resource').map((each) => each.name)")
    assert any(name.endswith("/zh.js") for name in names) is is_chinese


#: What is no text of ours: names, what is measured, and what the catalog says.
NOT_WORDS = re.compile(
    r"\b(Postern|worker|HTTP|id|ms|p50|p99|OAuth|grant|auth|oauth2|Says what it was told|Who it is for)\b"
)


def english(page: Page) -> list[str]:
    """What is one of our texts in English, or has two English words in a row outside data."""
    known = [
        re.compile(".+".join(map(re.escape, text.split("{}"))).replace(r"\(s\)", "s?"))
        for text in texts()
        if re.search("[A-Za-z]{2}", text)
    ]
    shown = page.evaluate(
        """() => {
          const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          const texts = [[document.title, false]];
          while (walker.nextNode()) {
            const place = walker.currentNode.parentElement;
            if (!place.closest("code, pre, noscript, [lang=en]")) texts.push([walker.currentNode.data, place.closest("td") !== null]);
          }
          for (const each of document.querySelectorAll("[aria-label], [aria-valuetext], [placeholder]"))
            for (const text of [each.ariaLabel, each.ariaValueText, each.placeholder]) if (text) texts.push([text, false]);
          return texts;
        }"""
    )
    return [
        text
        for text, is_data in shown
        if (not is_data and re.search("[A-Za-z]{2,} [A-Za-z]{2,}", NOT_WORDS.sub("", text)))
        or any(words.fullmatch(text.strip()) for words in known)
    ]
