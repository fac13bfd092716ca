"""compose.yaml started as an engine would: its processes, environment, files, addresses and health checks, on this machine's programs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from examples.clients.postern_auth import PosternAuth
from tests.deploy import container
from tests.deploy.compose import Compose
from tests.e2e.live import PASSWORD, ROOT, wait_for

CATALOG = """
version: 1
defaults: {timeout: {connect: 20, read: 20}, deadline: 60}
services:
  vendor:
    base_url: http://10.213.0.200:5099
    allow_private: true
    methods:
      get: {http: GET /anything/get}
      add: {http: POST /anything/add, params: {a: {type: string}}}
"""
VENDOR = "10.213.0.200"  # outside, as all that Postern reaches by its network with nginx
LOOK_SECONDS = 300


class Team:
    """Who uses what was started: an admin by token, an app by signature, through nginx or at one instance."""

    def __init__(self, up: Compose) -> None:
        self.up = up
        self.front = up.url("nginx", 80)
        self.instances = [up.url(name, 5000) for name in ("postern1", "postern2")]
        self._session = requests.Session()
        self._session.trust_env = False
        words = ("user", "create", "ann", "--role", "admin", "--password", PASSWORD)
        done = up.execute("postern1", "flask", *words)
        assert done.returncode == 0, done.stderr
        body = {"username": "ann", "password": PASSWORD}
        wait_for(lambda: answers(self.front))  # whose start nobody has waited for
        login = self.ask("POST", f"{self.front}/api/v1/login", json=body)
        self.bearer = {"Authorization": f"Bearer {login.json()['data']['access_token']}"}

    def call(self, method: str, params: dict[str, str]) -> requests.Response:
        """A call of the vendor, through nginx."""
        url = f"{self.front}/api/v1/call/vendor/{method}"
        return self.ask("POST", url, json=params, headers=self.bearer)

    def app(self, name: str, rate: str) -> PosternAuth:
        words = ("app", "create", name, "--allow", "*", "--rate", rate)
        made = self.up.execute("postern2", "flask", *words)
        assert made.returncode == 0, made.stderr
        return PosternAuth(name, re.search(r"secret: (\S+)", made.stdout)[1])

    def ask(self, verb: str, url: str, **options: Any) -> requests.Response:
        return self._session.request(verb, url, timeout=120, **options)

    def send(self, prepared: requests.PreparedRequest) -> requests.Response:
        return self._session.send(prepared, timeout=120)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    if os.environ.get("POSTERN_TEST_NAMESPACES") == "no":
        pytest.skip("POSTERN_TEST_NAMESPACES=no")
    try:
        container.check()
    except container.NamespaceError as error:
        pytest.fail(str(error), pytrace=False)
    folder = tmp_path_factory.mktemp("compose")
    ignore = shutil.ignore_patterns(".env", "catalog")
    deploy = Path(shutil.copytree(ROOT / "deploy", folder / "deploy", ignore=ignore))
    env = {"PATH": os.environ["PATH"], "UP": "no"}
    subprocess.run(["sh", deploy / "up.sh"], env=env, check=True, stdout=subprocess.DEVNULL)
    (deploy / "catalog" / "vendor.yaml").write_text(CATALOG, encoding="utf-8")
    with Compose(deploy, folder) as up, vendor(up, folder):
        yield Team(up)


@contextmanager
def vendor(up: Compose, folder: Path) -> Iterator[None]:
    """The sandbox, at an address of its own."""
    (folder / "vendor").mkdir()
    member = container.Namespaces(folder / "vendor")
    try:
        up.networks["front"].reserve("vendor", VENDOR)
        up.networks["front"].join("vendor", member)
        command = member.command(
            "env", "-C", str(ROOT), sys.executable, "-m", "sandbox", "--host", VENDOR
        )
        log_file = folder / "vendor" / "log"
        with log_file.open("wb") as log:
            subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(lambda: "sandbox listens on" in log_file.read_text())
        yield
    finally:
        member.close()


def answers(url: str) -> bool:
    """Whether somebody does, whatever it is."""
    try:
        requests.get(url, timeout=30)
    except requests.RequestException:
        return False
    return True


def test_all_is_started_but_what_has_no_program_here(team: Team) -> None:
    assert team.up.left_out == {"grafana"}


@pytest.mark.parametrize("service", ["postern1", "postern2", "postgres", "redis"])
def test_a_service_is_well_by_its_own_health_check(service: str, team: Team) -> None:
    result = team.up.execute(service, *team.up.healthcheck(service))
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_call_goes_through_nginx_to_the_vendor_and_both_instances_serve(team: Team) -> None:
    def served() -> list[bool]:
        names = ("postern1", "postern2")
        return ['"method":"add"' in team.up.log(name) for name in names]

    wait_for(lambda: team.call("add", {"a": "first"}).status_code == 200)
    for number in range(10):
        answer = team.call("add", {"a": str(number)})
        assert answer.status_code == 200, answer.text
    wait_for(lambda: all(served()))


def test_a_file_that_one_instance_took_is_there_at_the_other(team: Team) -> None:
    one, two = team.instances
    files = {"file": ("letter.txt", b"bytes")}
    made = team.ask("POST", f"{one}/api/v1/files", files=files, headers=team.bearer)
    assert made.status_code == 201, made.text
    url = f"{two}/api/v1/files/{made.json()['data']['id']}"
    assert team.ask("GET", url, headers=team.bearer).content == b"bytes"


def test_prometheus_sees_both_instances(team: Team) -> None:
    prometheus = team.up.url("prometheus", 9090)
    wait_for(lambda: answers(f"{prometheus}/-/ready"))
    url = f"{prometheus}/api/v1/query"

    def up() -> dict[str, str]:
        answer = team.ask("GET", url, params={"query": "up{job='postern'}"}).json()
        series = answer["data"]["result"]
        return {each["metric"]["instance"]: each["value"][1] for each in series}

    wait_for(lambda: up() == {"postern1:5000": "1", "postern2:5000": "1"}, LOOK_SECONDS)


def test_nobody_else_is_told_the_metrics(team: Team) -> None:
    assert team.ask("GET", f"{team.front}/metrics").status_code == 403


def test_an_instance_without_its_link_refuses_what_it_cannot_check_and_comes_back(
    team: Team,
) -> None:
    one, two = team.instances
    shop = team.app("shop", "100000/hour")
    limited = team.app("limited", "3/hour")
    path = "/api/v1/call/vendor/get"
    signed = shop(requests.Request("GET", one + path).prepare())
    assert team.send(signed).status_code == 200
    assert [team.ask("GET", url + path, auth=limited).status_code for url in (one, two)] == [
        200
    ] * 2

    with team.up.networks["data"].unplugged("postern2"):
        wait_for(lambda: team.ask("GET", f"{two}/readyz").status_code == 503)
        signed.url = two + path
        for refused in (
            team.send(signed),  # its nonce is used, and nobody here knows
            team.ask("GET", two + path, auth=shop),
            team.ask("GET", two + path, auth=limited),
            team.ask("GET", two + path, headers=team.bearer),
        ):
            assert (refused.status_code, refused.json()["code"]) == (503, -5001), refused.text
            assert refused.headers["Retry-After"]
        assert team.ask("GET", one + path, auth=shop).status_code == 200
        assert team.ask("GET", one + path, auth=limited).status_code == 200  # the third

    wait_for(lambda: team.ask("GET", f"{two}/readyz").status_code == 200)
    second = team.send(signed)
    assert (second.status_code, second.json()["code"]) == (401, -2005)
    assert team.ask("GET", two + path, auth=limited).status_code == 429
    assert team.ask("GET", two + path, headers=team.bearer).status_code == 200
