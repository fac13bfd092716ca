"""The signers of ``examples/clients``, each run by what it is for, against a live service."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from sandbox import Sandbox
from tests.e2e.browser import NEEDS_BROWSER, Visit
from tests.e2e.live import ROOT, Live, catalog_for
from tests.e2e.npm import NEEDS_NPM
from tests.ports import free_port

CLIENTS = ROOT / "examples" / "clients"
PARAMS = {"name": 'it\'s "Ann" $HOME 北京\n'}
BODY = json.dumps(PARAMS, ensure_ascii=False)
QUERY = "/api/v1/call/maps/geocode?address=%E5%8C%97%E4%BA%AC%20'1'"

PYTHON = """
import os, sys
import requests
from postern_auth import PosternAuth
auth = PosternAuth(os.environ["APP_ID"], os.environ["APP_SECRET"])
verb, path, *body = sys.argv[1:]
data = body[0].encode() if body else None
answer = requests.request(verb, os.environ["POSTERN"] + path, data=data, auth=auth, headers={"Content-Type": "application/json"})
print(answer.text)
"""
ASK = """async ([sign, url, verb, body, id, secret]) => {
  const headers = { "Content-Type": "application/json" };
  const answer = await fetch(await sign(new Request(url, { method: verb, headers, body }), id, secret));
  return await answer.text();
}"""
NODE = f"""
import {{ sign }} from "{CLIENTS / "postern.mjs"}";
const {{ POSTERN, APP_ID, APP_SECRET }} = process.env;
const [verb, path, body] = process.argv.slice(2);
console.log(await ({ASK})([sign, POSTERN + path, verb, body, APP_ID, APP_SECRET]));
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    """Another origin than Postern's, which has the file for browsers."""
    with ThreadingHTTPServer(
        ("127.0.0.1", free_port()), partial(Quiet, directory=str(CLIENTS))
    ) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def live(box: Sandbox, origin: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder: Path = tmp_path_factory.mktemp("clients")
    service = Live(folder, catalog_for(box), CORS_ORIGINS=origin)
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(scope="module")
def app(live: Live) -> dict[str, str]:
    printed = live.flask("app", "create", "shop", "--allow", "demo", "--allow", "maps").stdout
    secret = printed.partition("secret: ")[2].split()[0]
    return {"POSTERN": live.url, "APP_ID": "shop", "APP_SECRET": secret}


def check(asked: object, told: object) -> None:
    created, found = (json.loads(str(each)) for each in (asked, told))
    assert created["code"] == 0, json.dumps(created)
    assert created["data"]["name"] == PARAMS["name"]
    assert found["code"] == 0, found


@NEEDS_NPM
@pytest.mark.parametrize("language", ["python", "node", "shell"])
def test_a_signed_call_with_a_body_and_one_with_a_query_are_answered(
    app: dict[str, str], tmp_path: Path, language: str
) -> None:
    (tmp_path / "ask.py").write_text(PYTHON, encoding="utf-8")
    (tmp_path / "ask.mjs").write_text(NODE, encoding="utf-8")
    command = {
        "python": [sys.executable, "ask.py"],
        "node": ["node", "ask.mjs"],
        "shell": ["sh", str(CLIENTS / "postern.sh")],
    }[language]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CLIENTS), **app}

    def ask(*words: str) -> str:
        done = subprocess.run(
            [*command, *words], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    check(ask("POST", "/api/v1/call/demo/create_item", BODY), ask("GET", QUERY))


def test_the_shells_body_may_be_a_file_and_curl_has_its_own_words(
    app: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "body.json").write_text(BODY, encoding="utf-8")
    words = ["POST", "/api/v1/call/demo/create_item", "@body.json", "-o", "answer.json"]
    command = ["sh", str(CLIENTS / "postern.sh"), *words]
    env = {"PATH": os.environ["PATH"], **app}
    subprocess.run(command, cwd=tmp_path, env=env, timeout=60, check=True)
    answer = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert answer["data"]["name"] == PARAMS["name"]


@NEEDS_BROWSER
def test_a_page_of_another_origin_signs_its_requests(
    browser: Browser, live: Live, app: dict[str, str], origin: str
) -> None:
    seen = Visit(browser, origin, live.url)
    seen.expected.append("404 (File not found)")  # favicon.ico
    seen.page.goto(f"{origin}/postern.mjs")
    script = f"""async ([...words]) => {{
      const {{ sign }} = await import("/postern.mjs");
      return await ({ASK})([sign, ...words]);
    }}"""

    def ask(verb: str, path: str, body: str | None = None) -> object:
        return seen.page.evaluate(
            script, [live.url + path, verb, body, app["APP_ID"], app["APP_SECRET"]]
        )

    check(ask("POST", "/api/v1/call/demo/create_item", BODY), ask("GET", QUERY))
    seen.context.close()
    assert seen.problems == []
