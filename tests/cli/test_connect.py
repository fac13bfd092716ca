"""``flask connect``: an account is connected from a terminal, whether or not the browser reaches the server."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import yaml
from click.testing import Result
from flask import Flask

from api.connections import flow
from config import Settings
from sandbox import Sandbox
from sandbox.vendors.oauth import CLIENT_ID, CLIENT_SECRET
from tests.api.conftest import SECRET
from tests.clock import FakeClock
from tests.e2e.live import BIN, ROOT
from tests.gateway.fakes import service
from tests.ports import free_port

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(port=free_port()) as running:
        yield running


@pytest.fixture
def clock() -> FakeClock:
    """As late as it is for a command in a process of its own."""
    return FakeClock(time.time())


@pytest.fixture
def crm(make_app: Any, settings: Settings, box: Sandbox, tmp_path: Path) -> Flask:
    auth = {
        "type": "oauth2",
        "grant": "authorization_code",
        "authorization_url": f"{box.url}/oauth2/authorize",
        "token_url": "/oauth2/token",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "scope": "orders",
    }
    services = {"crm": service(box.url, auth=auth, methods={"me": {"http": "GET /oauth2/me"}})}
    file = tmp_path / "connected.yaml"
    file.write_text(yaml.safe_dump({"version": 1, "services": services}))
    return make_app(replace(settings, catalog=str(file)), serves=False)


@pytest.fixture
def run(crm: Flask) -> Callable[..., Result]:
    return lambda *words, **options: crm.test_cli_runner().invoke(args=list(words), **options)


class Command:
    """``flask connect crm`` as it runs, and a person who opens the page that it names."""

    def __init__(self, settings: Settings) -> None:
        env = {
            "PATH": os.environ["PATH"],
            "CATALOG": settings.catalog,
            "DATABASE_URL": settings.database_url,
            "JWT_SECRET": SECRET,
        }
        self.process = subprocess.Popen(
            [str(BIN / "flask"), "connect", "crm"], cwd=ROOT, env=env, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def visit_page(self) -> str:
        """Return the address that the vendor's page sends the browser back to."""
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("  http"):
                answer = requests.get(line.strip(), allow_redirects=False, timeout=30)
                return answer.headers["Location"]
        raise AssertionError(self.process.communicate())

    def paste(self, text: str) -> tuple[int, str]:
        """Return the exit code, and what was printed since."""
        printed = "".join(self.process.communicate(text, timeout=60))
        return self.process.returncode, printed


@pytest.fixture
def connect(crm: Flask) -> Iterator[Callable[[], Command]]:
    with ExitStack() as stack:

        def start() -> Command:
            command = Command(crm.extensions["postern"].settings)
            stack.callback(command.process.kill)
            return command

        yield start


def test_the_address_that_the_browser_came_to_may_be_pasted(connect, run) -> None:
    command = connect()
    code, printed = command.paste(command.visit_page() + "\n")
    assert (code, "crm is connected" in printed) == (0, True), printed
    listed = run("connect", "--list").output.splitlines()[-1].split()
    assert listed[:2] == ["crm", "connected"]
    assert "orders" in listed
    assert '"scope": "orders"' in run("call", "crm", "me").output


def test_a_code_alone_may_be_pasted(connect) -> None:
    command = connect()
    code = parse_qs(urlsplit(command.visit_page()).query)["code"][0]
    assert command.paste(code)[0] == 0


def test_where_the_browser_reaches_the_server_nothing_is_pasted(connect, crm) -> None:
    command = connect()
    query = urlsplit(command.visit_page()).query
    back = crm.test_client().get(f"{flow.CALLBACK_PATH}?{query}")
    assert back.status_code == 200
    code, printed = command.paste("")
    assert (code, "crm is connected" in printed) == (0, True), printed


@pytest.mark.parametrize(
    ("paste", "why"),
    [
        (lambda address: "http://127.0.0.1/x?state=another&code=c", "its state differs"),
        (lambda address: "no-such-code", "could not be obtained"),
        (lambda address: re.sub("code=[^&]*", "error=access_denied", address), "access was denied"),
    ],
)
def test_what_is_wrong_with_what_was_pasted_is_said(connect, run, paste, why: str) -> None:
    command = connect()
    code, printed = command.paste(paste(command.visit_page()))
    assert (code, why in printed) == (1, True), printed
    assert "not_connected" in run("connect", "--list").output


def test_an_account_is_disconnected(run, connect) -> None:
    assert "is not connected" in run("connect", "crm", "--disconnect").output
    command = connect()
    assert command.paste(command.visit_page())[0] == 0
    assert run("connect", "crm", "--disconnect").exit_code == 0
    assert "not_connected" in run("connect", "--list", "--json").output
    assert "an admin does that: flask connect crm" in run("call", "crm", "me").output


def test_a_service_that_there_is_not_and_none_at_all_are_refused(run) -> None:
    assert "There is no service crn" in run("connect", "crn").output
    assert run("connect").exit_code == 2


def test_tokens_are_counted_and_sealed_anew_with_another_key(run, connect) -> None:
    command = connect()
    assert command.paste(command.visit_page())[0] == 0
    assert "2 sealed with the current key" in run("secrets", "status").output
    assert "tokens of 0 services" in run("secrets", "reseal").output
