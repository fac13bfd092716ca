"""SDKs that follow a vendor's own addresses stay at the gate, and bring nobody what is not theirs."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from openai import APIStatusError, OpenAI

from sandbox import Sandbox
from tests.e2e import npm
from tests.e2e.live import Live, catalog_for, wait_for
from tests.e2e.sdks.vendor import PAGES, Vendor

SERVICES = """
  first: {{base_url: "{first}/v1", allow_private: true, proxy: true}}
  hasty: {{base_url: "{first}/v1", allow_private: true, timeout: {{read: 0.5}}, proxy: true}}
  second: {{base_url: "{second}/v1", allow_private: true, proxy: {{paths: [/*], rewrite: true}}}}
  linked: {{base_url: "{first}/v1", allow_private: true, proxy: {{rewrite: body}}}}
  asis: {{base_url: "{first}/v1", allow_private: true, proxy: {{rewrite: false}}}}
"""
PAGINATE = """
import {{ Octokit }} from "{module}/dist-src/index.js";
const [baseUrl, token] = process.argv.slice(2);
const octokit = new Octokit({{ baseUrl, auth: token, log: {{ debug() {{}}, info() {{}}, warn() {{}}, error() {{}} }} }});
octokit.hook.before("request", options => {{ options.headers["X-Postern-Token"] = token; }});
console.log(JSON.stringify(await octokit.paginate("GET /items")));
"""


@pytest.fixture(scope="module")
def second() -> Iterator[Vendor]:
    with Vendor() as running:
        yield running


@pytest.fixture(scope="module")
def first(second: Vendor) -> Iterator[Vendor]:
    with Vendor(second.url) as running:
        yield running


@pytest.fixture(scope="module")
def live(
    box: Sandbox, first: Vendor, second: Vendor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    catalog = catalog_for(box, SERVICES.format(first=first.url, second=second.url))
    service = Live(tmp_path_factory.mktemp("sdks"), catalog, TRUSTED_PROXIES="1")
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(autouse=True)
def _fresh(first: Vendor, second: Vendor) -> None:
    first.requests.clear()
    second.requests.clear()


def gate(live: Live, service: str) -> str:
    return f"{live.url}/api/v1/proxy/{service}"


@pytest.fixture
def session(live: Live) -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["X-Postern-Token"] = live.token()
        yield session


def openai(live: Live, path: str = "first", **how: Any) -> OpenAI:
    how = {"api_key": "unused", "default_headers": {"X-Postern-Token": live.token()}, **how}
    return OpenAI(base_url=gate(live, path), **how)


def chat(client: OpenAI) -> str | None:
    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
    return answer.choices[0].message.content


def test_openai_follows_a_redirect_without_leaving_the_gate(live: Live, first: Vendor) -> None:
    assert [model.id for model in openai(live).models.list()] == ["m"]
    assert chat(openai(live)) == "hello"
    assert [request.target for request in first.requests] == [
        "/v1/models", "/v1/catalog/models", "/v1/chat/completions", "/v1/moved/completions",
    ]  # fmt: skip
    assert not [request for request in first.requests if "x-postern-token" in request.headers]


def test_a_token_given_as_the_sdks_key_does_not_go_where_a_vendor_leads_to(
    live: Live, second: Vendor
) -> None:
    assert chat(openai(live, "first/away", api_key=live.token(), default_headers={})) == "hello"
    assert [request.target for request in second.requests] == ["/v1/moved/completions"]
    assert live.token() not in str(second.requests)


@npm.NEEDS_NPM
def test_octokit_pages_through_a_list_without_leaving_the_gate(
    live: Live, first: Vendor, tmp_path: Path
) -> None:
    script = tmp_path / "paginate.mjs"
    script.write_text(
        PAGINATE.format(module=npm.module("@octokit/rest").as_posix()), encoding="utf-8"
    )
    command = ["node", str(script), gate(live, "first"), live.token()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [{"id": page} for page in range(1, PAGES + 1)]
    assert len(first.requests) == PAGES
    assert live.token() not in str(first.requests)


def test_a_sessions_cookies_go_back_to_their_own_vendor_and_to_no_other(
    live: Live, session: requests.Session, second: Vendor
) -> None:
    home = session.get(f"{gate(live, 'first')}/login", timeout=30)
    assert home.json() == {"cookie": "a=1; b=2"}
    assert home.url == f"{gate(live, 'first')}/me"
    assert session.get(f"{gate(live, 'second')}/me", timeout=30).json() == {"cookie": ""}
    assert session.get(f"{live.url}/api/proxy/first/me", timeout=30).json() == {"cookie": ""}


def test_addresses_are_those_that_the_caller_sees_behind_a_proxy(
    live: Live, session: requests.Session
) -> None:
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "api.example:8443",
        "X-Forwarded-Prefix": "/postern",
    }
    url = f"{gate(live, 'first')}/models"
    answer = session.get(url, headers=forwarded, allow_redirects=False, timeout=30)
    assert (
        answer.headers["Location"]
        == "https://api.example:8443/postern/api/v1/proxy/first/catalog/models"
    )
    answer = session.get(
        f"{gate(live, 'first')}/login", headers=forwarded, allow_redirects=False, timeout=30
    )
    assert answer.headers["Location"] == "/postern/api/v1/proxy/first/me"
    assert "Path=/postern/api/v1/proxy/first" in answer.headers["Set-Cookie"]


def test_addresses_in_bodies_lead_to_the_gate_where_the_catalog_says_so(
    live: Live, session: requests.Session, first: Vendor
) -> None:
    base = gate(live, "linked")
    url = f"{base}/linked"
    ids = []
    while url:
        answer = session.get(url, timeout=30)
        page = answer.json()
        assert page["text"].startswith(f"see {first.url}/v1/items ")
        assert "Accept-Ranges" not in answer.headers
        ids += [(item["id"], item["url"]) for item in page["value"]]
        url = page.get("next")
    assert ids == [(page, f"{base}/items/{page}") for page in range(1, PAGES + 1)]
    assert {request.headers["accept-encoding"] for request in first.requests} == {"identity"}
    plain = session.get(f"{gate(live, 'first')}/linked", timeout=30)
    assert plain.json()["next"] == f"{first.url}/v1/linked?page=2"


def test_nothing_is_rewritten_where_the_catalog_says_so(
    live: Live, session: requests.Session, first: Vendor
) -> None:
    answer = session.get(f"{gate(live, 'asis')}/login", allow_redirects=False, timeout=30)
    assert answer.headers["Location"] == "/v1/me"
    assert answer.headers["Set-Cookie"] == "a=1; Domain=127.0.0.1; Path=/; HttpOnly, b=2"


def test_a_post_that_timed_out_is_not_sent_again_by_the_openai_sdk(
    live: Live, first: Vendor
) -> None:
    with pytest.raises(APIStatusError) as failed:
        chat(openai(live, "hasty/slow"))
    assert failed.value.status_code == 504
    assert failed.value.response.headers["X-Should-Retry"] == "false"
    wait_for(lambda: first.requests)
    assert len(first.requests) == 1


def test_what_may_be_sent_again_is_not_told_otherwise(
    live: Live, session: requests.Session
) -> None:
    answer = session.get(f"{gate(live, 'hasty')}/slow/chat/completions", timeout=30)
    assert (answer.status_code, "X-Should-Retry" in answer.headers) == (504, False)
