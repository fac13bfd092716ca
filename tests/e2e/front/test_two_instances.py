"""Two instances with one PostgreSQL and one Redis, in Consul, behind nginx and behind Traefik: what one learns the other knows."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from examples.clients.postern_auth import PosternAuth
from sandbox import Sandbox
from sandbox.vendors.oauth import CLIENT_ID, CLIENT_SECRET
from sandbox.vendors.registries.consul import Consul
from tests.e2e.front import traefik
from tests.e2e.front.nginx import Nginx
from tests.e2e.live import Live, wait_for
from tests.ports import free_port
from tests.redis_server import RedisServer

CATALOG = """
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 40}}
services:
  vendor:
    base_url: {url}
    allow_private: true
    auth: {{type: app_secret, app_id: sandbox-app, secret: sandbox-secret, token_url: /cgi-bin/token}}
    methods:
      cached: {{http: GET /anything/cached, cache: {{ttl: 60}}}}
      add: {{http: POST /anything/add, params: {{a: {{type: string}}}}}}
  scarce_nginx: &scarce
    base_url: {url}
    allow_private: true
    rate_limit: 3/hour
    methods:
      get: {{http: GET /anything/scarce}}
  scarce_traefik: *scarce
  crm:
    base_url: {url}
    allow_private: true
    retry: {{times: 0}}
    auth:
      type: oauth2
      grant: authorization_code
      client_id: "{id}"
      client_secret: "{secret}"
      token_url: /oauth2/token
      authorization_url: {url}/oauth2/authorize
    methods: {{me: {{http: GET /oauth2/me}}}}
  mates:
    base_url: consul://postern
    allow_private: true
    methods:
      health: {{http: GET /healthz}}
"""
REQUESTS = 6  # requests, of which each instance gets some
TAGS = "traefik.enable=true,traefik.http.routers.postern.rule=PathPrefix(`/`)"


class Pair:
    """``one`` and ``two``, and what they share."""

    def __init__(self, lives: list[Live], consul: Consul, folder: Path) -> None:
        self.lives = lives
        self.one, self.two = lives
        self.consul = consul
        self.folder = folder

    def registered(self) -> set[int]:
        return {instance.port for instance in self.consul.instances}

    def app(self, name: str, rate: str = "1000000/minute") -> PosternAuth:
        output = self.one.flask("app", "create", name, "--allow", "*", "--rate", rate)
        return PosternAuth(name, re.search(r"[\w-]{43}", output.stdout)[0])


@pytest.fixture(scope="module")
def pair(
    box: Sandbox,
    database: Callable[..., dict[str, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        redis = RedisServer(folder).start()
        stack.callback(redis.kill)
        consul = stack.enter_context(Consul(port=free_port()))
        shared: dict[str, Any] = {
            **database("postgresql"),
            "REDIS_URL": redis.url,
            "TRUSTED_PROXIES": "1",
            "CONSUL_HTTP_ADDR": consul.address,
            "CONSUL_REGISTER": "postern",
            "CONSUL_REGISTER_TAGS": TAGS,
            "PUBLIC_URL": "https://tools.example",
        }
        lives: list[Live] = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            catalog = CATALOG.format(url=box.url, id=CLIENT_ID, secret=CLIENT_SECRET)
            live = Live(folder / name, catalog, **shared)
            live.env["CONSUL_REGISTER_ADDRESS"] = f"127.0.0.1:{live.port}"
            stack.callback(live.stop)
            lives.append(live.restart() if lives else live.start())
        pair = Pair(lives, consul, folder)
        wait_for(lambda: pair.registered() == {live.port for live in lives})
        yield pair


@pytest.fixture(params=["nginx", "traefik"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def front(kind: str, pair: Pair, tmp_path: Path) -> Iterator[str]:
    """The URL of what stands before them."""
    if kind == "nginx":
        if os.environ.get("POSTERN_TEST_NGINX") == "no":
            pytest.skip("POSTERN_TEST_NGINX=no")
        server: Any = Nginx(tmp_path, *(live.port for live in pair.lives), files=str(tmp_path))
    else:
        server = traefik.Traefik(tmp_path, pair.consul.address)
    try:
        yield server.start().url
    finally:
        server.stop()


def send(verb: str, url: str, **options: Any) -> requests.Response:
    """A request with nothing of this machine's in it."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(verb, url, timeout=60, **options)


def statuses(verb: str, url: str, **options: Any) -> list[int]:
    """Send a request often enough for both to get some; return how they answered, in order."""
    return [send(verb, url, **options).status_code for _ in range(REQUESTS)]


def bearer(pair: Pair) -> dict[str, str]:
    return {"Authorization": f"Bearer {pair.one.token()}"}


def served(pair: Pair) -> list[int]:
    """How many requests each instance has in its log."""
    return [live.log.count('"event":"request"') for live in pair.lives]


def test_both_serve_behind_the_proxy_and_believe_it_who_calls(front: str, pair: Pair) -> None:
    headers = {
        "Authorization": f"Bearer {pair.one.token()}",
        "X-Forwarded-For": "203.0.113.9",
        "X-Forwarded-Prefix": "/evil",
    }
    before = served(pair)
    for number in range(20):
        answer = requests.post(
            f"{front}/api/v1/call/vendor/add", json={"a": str(number)}, headers=headers, timeout=60
        )
        assert answer.status_code == 200, answer.text
    wait_for(lambda: all(now > then for now, then in zip(served(pair), before, strict=True)))
    assert all('"address":"203.0.113.9"' not in live.log for live in pair.lives)
    page = requests.get(f"{front}/openapi.json", headers=headers, timeout=30)
    assert "evil" not in page.text


def test_a_signed_request_is_taken_by_one_of_them_once(front: str, pair: Pair) -> None:
    proof = pair.app(f"signer-{front.rpartition(':')[2]}")
    url = f"{front}/api/v1/call/vendor/cached"
    signed = proof(requests.Request("GET", url).prepare())
    with requests.Session() as session:
        session.trust_env = False
        answers = [session.send(signed, timeout=30) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 401, 401, 401]
    assert answers[-1].json()["code"] == -2005


def test_a_callers_limit_and_a_services_are_counted_over_both(
    front: str, kind: str, pair: Pair
) -> None:
    limited = pair.app(f"limited-{kind}", rate="3/hour")
    answers = statuses("GET", f"{front}/api/v1/call/vendor/cached", auth=limited)
    assert answers == [200] * 3 + [429] * (REQUESTS - 3)
    url = f"{front}/api/v1/call/scarce_{kind}/get"
    assert statuses("GET", url, headers=bearer(pair)) == [200] * 3 + [429] * (REQUESTS - 3)
    assert send("GET", url, headers=bearer(pair)).json()["code"] == -1009


def test_a_token_and_an_answer_that_one_has_fetched_serve_both(pair: Pair, box: Sandbox) -> None:
    def cached(live: Live) -> str:
        return live.get("/api/v1/call/vendor/cached").headers["X-Cache"]

    pair.one.flask("cache", "clear", "vendor.cached")
    wait_for(lambda: cached(pair.one) == "MISS")  # within a second
    assert cached(pair.two) == "HIT"
    assert pair.two.call("vendor.add").status_code == 200
    assert sum(request.path == "/cgi-bin/token" for request in box.requests) == 1


def test_a_call_with_a_key_is_sent_once_whichever_is_asked(
    front: str, kind: str, pair: Pair, box: Sandbox
) -> None:
    def sent() -> int:
        return sum(request.path == "/anything/add" for request in box.requests)

    before = sent()
    headers = {"Idempotency-Key": f"k-of-{kind}", **bearer(pair)}
    url = f"{front}/api/v1/call/vendor/add"
    answers = [send("POST", url, json={"a": "once"}, headers=headers) for _ in range(REQUESTS)]
    replayed = [answer.headers.get("Idempotency-Replayed") for answer in answers]
    assert replayed == [None] + ["true"] * (REQUESTS - 1)
    assert len({str(answer.json()["data"]) for answer in answers}) == 1
    assert sent() == before + 1


def test_what_was_ended_at_one_is_ended_at_the_other(front: str, pair: Pair) -> None:
    session = pair.one.login()
    headers = {"Authorization": f"Bearer {session['access_token']}"}
    url = f"{front}/api/v1/products"
    assert statuses("GET", url, headers=headers) == [200] * REQUESTS
    assert pair.one.post("/api/v1/logout", json={}, headers=headers).status_code == 200
    assert statuses("GET", url, headers=headers) == [401] * REQUESTS
    refresh = {"refresh_token": session["refresh_token"]}
    assert statuses("POST", f"{front}/api/v1/token/refresh", json=refresh) == [401] * REQUESTS


def test_a_change_of_an_app_counts_at_the_other_within_a_moment(
    front: str, kind: str, pair: Pair
) -> None:
    name = f"shop-{kind}"
    shop = pair.app(name)

    def answers() -> set[int]:
        return set(statuses("GET", f"{front}/api/v1/call/vendor/cached", auth=shop))

    assert answers() == {200}
    assert pair.one.post(f"/api/v1/apps/{name}/disable").status_code == 200
    wait_for(lambda: answers() <= {401, 403})
    assert pair.one.post(f"/api/v1/apps/{name}/enable").status_code == 200
    wait_for(lambda: answers() == {200})
    change = {"allow": ["scarce_nginx.*"]}
    assert pair.one.send("PATCH", f"/api/v1/apps/{name}", json=change).status_code == 200
    wait_for(lambda: answers() == {403})
    assert pair.one.send("DELETE", f"/api/v1/apps/{name}").status_code == 200
    wait_for(lambda: answers() == {401})


def test_an_account_connected_at_one_serves_both_and_no_refresh_token_is_sent_twice(
    front: str, pair: Pair, box: Sandbox
) -> None:
    url = f"{front}/api/v1/call/crm/me"
    assert statuses("GET", url, headers=bearer(pair)) == [502] * REQUESTS
    begun = pair.one.post("/api/v1/connections/crm/authorize").json()["data"]
    page = send("GET", begun["authorization_url"], allow_redirects=False)
    back = f"{pair.two.url}/api/v1/oauth/callback?{urlsplit(page.headers['Location']).query}"
    assert send("GET", back, headers={"Accept": "application/json"}).status_code == 200
    wait_for(lambda: statuses("GET", url, headers=bearer(pair)) == [200] * REQUESTS)
    box.oauth.refreshes.clear()
    for number in range(1, 4):
        box.revoke_tokens()
        with ThreadPoolExecutor(REQUESTS) as pool:  # all at once find that their token is stale
            futures = [pool.submit(send, "GET", url, headers=bearer(pair)) for _ in range(REQUESTS)]
        assert [future.result().status_code for future in futures] == [200] * REQUESTS
        assert len(set(box.oauth.refreshes)) == len(box.oauth.refreshes) >= number
    assert box.oauth.reused == []
    assert pair.two.send("DELETE", "/api/v1/connections/crm").status_code == 200
    wait_for(lambda: statuses("GET", url, headers=bearer(pair)) == [502] * REQUESTS)


def test_each_is_in_consul_until_it_stops_and_is_found_there_by_name(pair: Pair) -> None:
    ports = {live.port for live in pair.lives}
    assert pair.registered() == ports
    for live in pair.lives:
        assert live.call("mates.health").json()["data"]["data"] == {"status": "ok"}

    def instances() -> object:
        return pair.one.get("/api/v1/services/mates").json()["data"]["instances"]

    wait_for(lambda: instances() == {"up": 2, "left_out": 0})
    workers = set(pair.two.workers())
    pair.two.session.close()  # a kept connection is waited for
    pair.two.process.send_signal(signal.SIGHUP)
    wait_for(lambda: pair.two.workers() and not workers & set(pair.two.workers()))
    assert pair.registered() == ports  # its workers were replaced; it did not leave
    pair.two.stop(signal.SIGTERM)
    wait_for(lambda: pair.registered() == {pair.one.port})
    assert pair.one.call("mates.health").status_code == 200
    pair.two.restart()
    wait_for(lambda: pair.registered() == ports)
