"""The console's page Try: the lines that it gives to be pasted are run, and what came of a call stands under its answer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from sandbox import Sandbox
from tests.e2e.browser import DESKTOP, NEEDS_BROWSER, Visit
from tests.e2e.live import PASSWORD, Live, wait_for
from tests.e2e.npm import NEEDS_NPM

pytestmark = NEEDS_BROWSER

CATALOG = """
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 30, retry: {{times: 0}}}}
services:
  demo:
    base_url: "{url}"
    allow_private: true
    methods:
      echo:
        http: POST /anything
        params:
          name: {{type: string, required: true}}
          size: {{type: integer, default: 3}}
          urgent: {{type: boolean}}
          tags: {{type: array, items: {{type: string}}}}
          rest: {{type: object}}
      upload:
        http: POST /anything
        body: multipart
        params:
          note: {{type: string}}
          media: {{type: object, required: true}}
      passed: {{http: POST /anything, stream: true, body: multipart}}
      raw:
        http: POST /anything
        stream: true
        body: raw
        params: {{q: {{type: string, in: query}}}}
      fail: {{http: GET /status/500}}
      pages:
        http: GET /lists/pages
        params: {{page: {{type: integer}}}}
        paginate: {{by: page, param: page, total_pages: result.pages, items: result.rows}}
      held:
        http: POST /v1/chat/completions
        stream: true
        params:
          model: {{type: string, required: true, example: "echo;held"}}
          messages: {{type: array, required: true, items: {{type: object}}, example: [{{role: user, content: hello you}}]}}
          stream: {{type: boolean, default: true}}
{more}"""
NASTY = 'it\'s "Ann"\\ $HOME `id` %s 北京\t<b>&amp;</b>'
LINES = 'one\n"two"\'s\n\\n 三'
FILE = b'\x00\xff\r\nnot quite a cat\'s "picture"\n%s'
COMMANDS = {
    "curl": ["bash", "-eu"],
    "Python": [sys.executable, "-"],
    "JavaScript": ["node", "--input-type=module", "-"],
}


@pytest.fixture(scope="module")
def live(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("try")
    service = Live(folder, CATALOG.format(url=box.url, more=""))
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(scope="module")
def proofs(live: Live) -> dict[str, dict[str, str]]:
    """What the environment has for each choice of "As"."""
    secret = re.search(
        r"pst_\S+|[\w-]{32,}", live.flask("app", "create", "shop", "--allow", "demo.*").stdout
    )
    assert secret
    return {
        "my login": {"TOKEN": live.token()},
        "an app": {"APP_ID": "shop", "APP_SECRET": secret[0]},
    }


@pytest.fixture
def page(browser: Browser, live: Live) -> Iterator[Page]:
    """Logged in; when the test ends, nothing may have gone wrong with it."""
    visit = Visit(
        browser, live.url, viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"]
    )
    visit.expected.append("502 (BAD GATEWAY)")  # the service's own failure
    visit.page.goto(live.url)
    log_in(visit.page, "ann")
    yield visit.page
    visit.context.close()
    assert visit.problems == []


def log_in(page: Page, username: str, heading: str = "Services") -> None:
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name=heading)).to_be_visible()


def copied(page: Page, language: str, sender: str) -> str:
    page.get_by_label("Language").select_option(language)
    page.get_by_label("As", exact=True).select_option(sender)
    page.evaluate("navigator.clipboard.writeText('')")
    copy = page.locator(".row").get_by_role("button")
    copy.click()
    expect(copy).to_have_text("Copied")
    lines: str = page.evaluate("navigator.clipboard.readText()")
    return lines


def run(language: str, lines: str, env: dict[str, str], folder: Path) -> Any:
    done = subprocess.run(
        COMMANDS[language], input=lines, cwd=folder, env={"PATH": os.environ["PATH"], **env},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, lines + done.stderr
    return json.loads(done.stdout)


def open_method(page: Page, method: str) -> None:
    page.goto(f"{page.url.partition('#')[0]}#/try/demo/{method}")
    expect(page.get_by_label("Method")).to_have_value(method)


def answer_of(page: Page) -> Locator:
    return page.get_by_role("region", name="Answer")


@NEEDS_NPM
@pytest.mark.parametrize("sender", ["my login", "an app"])
@pytest.mark.parametrize("language", COMMANDS)
def test_copied_lines_send_what_the_form_says(
    page: Page, live: Live, proofs, tmp_path: Path, language: str, sender: str
) -> None:
    open_method(page, "echo")
    rest = {"a": None, "true": "true", "b": [1.5, False], "c": {}}
    params = {"name": NASTY, "size": 3, "urgent": True, "tags": [LINES, "{}[]*?!"], "rest": rest}
    page.get_by_role("button", name="As JSON").click()
    page.get_by_label("Parameters as JSON").fill(json.dumps(params))
    page.get_by_role("button", name="As a form").click()
    page.get_by_text("Headers").click()
    page.get_by_label("Idempotency-Key").fill(f"{language}/{sender}".replace(" ", "-"))
    answer = run(language, copied(page, language, sender), proofs[sender], tmp_path)
    assert answer["data"]["json"] == params
    record = wait_for(lambda: live.get(f"/api/v1/calls/{answer['request_id']}").json()["data"])
    assert record["caller"] == {"my login": "user:1", "an app": "app:shop"}[sender]
    assert "idempotency" in {event["what"] for event in record["events"]}


@NEEDS_NPM
@pytest.mark.parametrize("sender", ["my login", "an app"])
@pytest.mark.parametrize("language", COMMANDS)
def test_copied_lines_send_files_from_the_folder_where_they_run(
    page: Page, proofs, tmp_path: Path, language: str, sender: str
) -> None:
    file = tmp_path / 'it\'s a "cat" 猫.png'
    file.write_bytes(FILE)
    seen = FILE.decode(errors="replace")
    part = f'filename="it\'s a %22cat%22 猫.png"\r\nContent-Type: image/png\r\n\r\n{seen}\r\n'

    def sent() -> dict[str, Any]:
        answer = run(language, copied(page, language, sender), proofs[sender], tmp_path)
        assert answer["code"] == 0
        data: dict[str, Any] = answer["data"]
        return data

    open_method(page, "upload")
    page.get_by_label("note").fill(NASTY)
    page.get_by_label("media").set_input_files(file)
    body = sent()["body"]
    assert part in body
    assert f'name="note"\r\n\r\n{NASTY}\r\n' in body

    open_method(page, "passed")
    page.get_by_label("File", exact=True).set_input_files(file)
    assert part.replace("%22", '"') in sent()["body"].replace("%22", '"').replace('\\"', '"')

    open_method(page, "raw")
    page.get_by_label("q", exact=True).fill(NASTY)
    page.get_by_label("File", exact=True).set_input_files(file)
    data = sent()
    assert (data["body"], data["query"], data["headers"]["content-type"]) == (
        seen, {"q": [NASTY]}, "image/png",
    )  # fmt: skip


def test_what_happened_comes_under_the_answer_and_the_page_stays(page: Page) -> None:
    open_method(page, "fail")
    page.get_by_role("button", name="Send").click()
    answer = answer_of(page)
    expect(answer).to_contain_text("HTTP 502")
    expect(answer.get_by_role("heading", name="Attempts")).to_be_visible()
    expect(answer.get_by_role("img", name=re.compile("1 attempt over"))).to_be_visible()
    expect(answer.get_by_role("row", name="1 ").first).to_contain_text("500")
    expect(answer.get_by_role("heading", name="What happened")).to_be_visible()
    expect(answer.get_by_role("cell", name="no retry", exact=True)).to_be_visible()
    link = answer.get_by_role("link", name="What happened to this call").get_attribute("href")
    assert link and link.startswith("#/calls/")
    assert page.url.endswith("#/try/demo/fail")


def test_keys_texts_and_other_values_of_an_answer_have_colours_that_are_easy_to_read(
    browser: Browser, live: Live
) -> None:
    visit = Visit(browser, live.url, viewport=DESKTOP)
    page = visit.page
    page.goto(live.url)
    log_in(page, "ann")
    open_method(page, "echo")
    page.get_by_label("name").fill('a "b": 1')
    page.get_by_label("urgent").select_option("true")
    page.get_by_role("button", name="Send").click()
    body = answer_of(page).get_by_label("Answer", exact=True)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colours = dict(
            body.locator("span").evaluate_all(
                "all => all.map((each) => [each.textContent, getComputedStyle(each).color])"
            )
        )
        kinds = [
            {colours['"name"'], colours['"urgent"']},
            {colours[json.dumps('a "b": 1')]},
            {colours["3"], colours["true"]},
            {body.evaluate("each => getComputedStyle(each).color")},
        ]
        assert len(set.union(*kinds)) == len(kinds) == sum(map(len, kinds)), kinds
        assert visit.inaccessible() == []
    visit.context.close()
    assert visit.problems == []


def test_pages_come_one_by_one_or_all_of_them_as_one_list(page: Page) -> None:
    open_method(page, "pages")
    send = page.get_by_role("button", name="Send")
    send.click()
    answer = answer_of(page)
    body = answer.get_by_label("Answer", exact=True)
    next_page = answer.get_by_role("button", name="Next page")
    expect(body).to_contain_text(rows(range(10)))
    next_page.click()
    expect(body).to_contain_text(rows(range(10, 20)))
    expect(page.get_by_label("page", exact=True)).to_have_value("2")
    next_page.click()
    expect(body).to_contain_text(rows(range(20, 25)))
    expect(next_page).to_have_count(0)

    page.get_by_label("page", exact=True).fill("")
    page.get_by_text("Headers", exact=True).click()
    page.get_by_label("X-Paginate").select_option("all")
    expect(page.get_by_label("curl")).to_contain_text("X-Paginate: all")
    send.click()
    expect(body).to_contain_text(rows(range(25)))
    expect(answer.get_by_label("Headers of the answer")).to_contain_text("X-Attempts: 3")


def rows(numbers: range) -> str:
    """As a list shows, its first to its last; Playwright takes white space for one blank."""
    return f"[ {', '.join(map(str, numbers))} ]"


def test_a_record_that_is_written_late_is_awaited(page: Page) -> None:
    late = iter([404, 404])

    def answer(route: Route) -> None:
        status = next(late, None)
        if status:
            route.fulfill(status=status, json={"code": -3004, "message": "Not yet."})
        else:
            route.continue_()

    page.route("**/api/v1/calls/*", answer)
    open_method(page, "fail")
    page.get_by_role("button", name="Send").click()
    expect(answer_of(page).get_by_role("heading", name="Attempts")).to_be_visible()
    assert next(late, None) is None


def test_all_that_was_typed_is_there_when_one_comes_back(page: Page, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"hello")
    open_method(page, "upload")
    page.get_by_label("media").set_input_files(tmp_path / "a.txt")
    open_method(page, "echo")
    page.get_by_label("name").fill("Ann")
    page.get_by_role("button", name="Add to tags").click()
    page.get_by_label("item 1 (required)").fill("x")
    page.get_by_role("button", name="As JSON").click()
    page.get_by_label("Parameters as JSON").press_sequentially(" {half")
    page.get_by_label("Language").select_option("Python")
    typed = page.get_by_label("Parameters as JSON").input_value()
    page.get_by_role("link", name="Calls", exact=True).click()
    expect(page.get_by_role("heading", name="Calls")).to_be_visible()
    open_method(page, "upload")
    expect(page.get_by_label("curl")).to_contain_text("a.txt")
    page.get_by_role("button", name="Send").click()
    expect(answer_of(page)).to_contain_text("hello")
    open_method(page, "echo")
    expect(page.get_by_label("Parameters as JSON")).to_have_value(typed)
    expect(page.get_by_label("Language")).to_have_value("Python")


def test_an_answer_that_comes_while_one_is_elsewhere_is_there_afterwards(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/call/demo/echo", hold)
    open_method(page, "echo")
    page.get_by_label("name").fill("Ann")
    with page.expect_request("**/call/demo/echo"):
        page.get_by_role("button", name="Send").click()
    expect(page.get_by_role("button", name="Send")).to_be_disabled()
    open_method(page, "fail")
    held[0].continue_()
    expect(page.locator("#history")).to_contain_text("demo.echo")
    assert answer_of(page).text_content() == ""
    open_method(page, "echo")
    expect(answer_of(page)).to_contain_text("HTTP 200")


def test_a_file_is_sent_that_was_chosen_just_before(page: Page, tmp_path: Path) -> None:
    """Reading it takes a moment, which a click does not wait for."""
    (tmp_path / "a.txt").write_bytes(b"hello")
    open_method(page, "upload")
    page.evaluate(
        """() => {
          const read = FileReader.prototype.readAsDataURL;
          FileReader.prototype.readAsDataURL = function (file) { window.go = () => read.call(this, file); };
        }"""
    )
    page.get_by_label("media").set_input_files(tmp_path / "a.txt")
    page.get_by_role("button", name="Send").click()
    page.evaluate("window.go()")
    expect(answer_of(page)).to_contain_text("hello")


def test_who_logs_in_after_another_sees_nothing_of_what_that_one_did(
    page: Page, live: Live
) -> None:
    live.flask("user", "create", "bea", "--role", "user", "--password", PASSWORD)
    open_method(page, "echo")
    page.get_by_label("name").fill("of Ann alone")
    page.get_by_role("button", name="Send").click()
    expect(answer_of(page)).to_contain_text("HTTP 200")
    page.get_by_role("button", name="Log out").click()
    log_in(page, "bea", "Try a method")
    expect(page.get_by_label("Method")).to_have_value("echo")
    expect(page.get_by_label("name")).to_have_value("")
    expect(page.get_by_text("of Ann alone")).to_have_count(0)
    expect(page.locator("#history li")).to_have_count(0)


def test_a_method_that_the_catalog_changes_keeps_what_was_typed(page: Page, live: Live) -> None:
    open_method(page, "echo")
    page.get_by_label("name").fill("Ann")
    good = live.catalog_file.read_text()
    live.catalog_file.write_text(good.replace("urgent:", "pressing:"))
    wait_for(lambda: "pressing" in live.get("/api/v1/services/demo").text)
    open_method(page, "fail")
    open_method(page, "echo")
    expect(page.get_by_label("pressing")).to_be_visible()
    expect(page.get_by_label("name")).to_have_value("Ann")
    live.catalog_file.write_text(good)
    wait_for(lambda: "urgent" in live.get("/api/v1/services/demo").text)


MANY = "".join(
    f"""
  service_{number}:
    base_url: "https://{number}.example"
    methods:"""
    + "".join(
        f"\n      method_{each}: {{http: POST /, summary: Does {number * 10 + each} things, params: {{a: {{type: string}}, b: {{type: integer}}}}}}"
        for each in range(10)
    )
    for number in range(100)
)


def test_one_of_a_thousand_methods_is_found_by_its_name_or_its_summary(
    browser: Browser, box: Sandbox, tmp_path: Path
) -> None:
    live = Live(tmp_path, CATALOG.format(url=box.url, more=MANY)).start()
    visit = Visit(browser, live.url, viewport=DESKTOP)
    try:
        page = visit.page
        page.goto(live.url)
        log_in(page, "ann")
        open_method(page, "echo")
        search = page.get_by_label("Search")
        search.fill("does 737 THINGS")
        expect(page.get_by_role("link", name="service_73.method_7")).to_be_visible()
        assert page.get_by_role("link", name=re.compile(r"service_\d+\.")).count() == 1
        search.fill("service_")
        expect(page.get_by_role("link", name=re.compile(r"service_\d+\."))).to_have_count(30)
        search.fill("73.method_8")
        page.get_by_role("link", name="service_73.method_8").press("Enter")
        expect(page.get_by_label("Service")).to_have_value("service_73")
        expect(page.get_by_label("Method")).to_have_value("method_8")
        assert visit.problems == []
    finally:
        visit.context.close()
        live.stop()


def test_the_page_is_in_chinese_for_who_prefers_it_and_so_is_what_comes_of_a_call(
    browser: Browser, live: Live
) -> None:
    visit = Visit(browser, live.url, viewport=DESKTOP, locale="zh-CN")
    visit.expected.append("502 (BAD GATEWAY)")
    page = visit.page
    page.goto(live.url)
    page.locator("#username").fill("ann")
    page.locator("#password").fill(PASSWORD)
    page.locator("form button.main").click()
    expect(page.get_by_role("heading", name="服务", exact=True)).to_be_visible()
    page.goto(f"{live.url}/#/try/demo/fail")
    expect(page.get_by_label("方法", exact=True)).to_have_value("fail")
    page.get_by_role("button", name="发送").click()
    answer = page.get_by_role("region", name="响应")
    expect(answer.get_by_text(re.compile("HTTP 502.+耗时"))).to_be_visible()
    expect(answer.get_by_role("heading", name="尝试")).to_be_visible()
    assert visit.inaccessible() == []
    visit.context.close()
    assert visit.problems == []
