"""Refresh tokens under four workers of a real server, killed at any moment: none is sent twice, and the connection
survives or says that it must be connected again."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from models import AccountConnection, Database
from sandbox import Sandbox
from sandbox.vendors.oauth import CLIENT_ID, CLIENT_SECRET
from tests.e2e.live import Live, wait_for
from tests.redis_server import RedisServer

CATALOG = """
version: 1
services:
  crm:
    base_url: {url}
    allow_private: true
    retry: {{times: 0}}
    timeout: {{read: 50}}
    deadline: 50
    auth:
      type: oauth2
      grant: refresh_token
      refresh_token: {seed}
      client_id: "{id}"
      client_secret: "{secret}"
      token_url: /oauth2/token
    methods: {{me: {{http: GET /oauth2/me}}}}
"""
CREDENTIAL_ERROR = -1012
WORKERS = 4


SEED = "the refresh token that the catalog begins with"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def server(
    request: pytest.FixtureRequest, box: Sandbox, database: Callable[..., dict[str, str]],
    one_redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Live]:  # fmt: skip
    catalog = CATALOG.format(url=box.url, seed=SEED, id=CLIENT_ID, secret=CLIENT_SECRET)
    settings = {
        "REDIS_URL": one_redis_server.fresh().url,
        "REDIS_DOWN": "open",
        "WEB_CONCURRENCY": str(WORKERS),
        **database(request.param),
    }
    with ExitStack() as stack:
        live = Live(tmp_path_factory.mktemp("connected"), catalog, **settings)
        stack.callback(live.stop)
        yield live.start()


@pytest.fixture
def crm(server: Live, box: Sandbox) -> Live:
    """The server, as if it had just begun with the catalog's refresh token."""
    box.reset()
    box.oauth.expires_in = 3600
    box.oauth.begin_family(refresh_token=SEED)
    with rows(server) as session:
        session.execute(delete(AccountConnection))
    wait_for(lambda: len(server.workers()) == WORKERS)
    return server


@contextmanager
def rows(live: Live) -> Iterator[Session]:
    database = Database(live.env["DATABASE_URL"])
    with database.write_session() as session:
        yield session
    database.close()


def call(live: Live) -> int | None:
    """The code of one call, over a connection of its own; None where its worker died."""
    url = f"{live.url}/api/v1/call/crm/me"
    headers = {"Authorization": f"Bearer {live.token()}"}
    with suppress(requests.RequestException):
        return int(requests.get(url, headers=headers, timeout=60).json()["code"])
    return None


def settled_call(live: Live) -> int:
    """The code of the first call that no dead worker's lock keeps waiting."""
    settled = wait_for(lambda: [code for code in [call(live)] if code in (0, CREDENTIAL_ERROR)])
    return int(settled[0])


def kill_workers(live: Live) -> None:
    killed = live.workers()
    for worker in killed:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)
    wait_for(
        lambda: len(live.workers()) == WORKERS and not set(killed).intersection(live.workers())
    )


def let_claims_end(live: Live) -> None:
    """As half a minute does."""
    claimed = update(AccountConnection).where(AccountConnection.claim.is_not(None))
    with rows(live) as session:
        session.execute(claimed.values(claimed_until=datetime(2020, 1, 1, tzinfo=UTC)))


def is_claimed(live: Live) -> bool:
    with rows(live) as session:
        return session.query(AccountConnection).one().claim is not None


def state(live: Live) -> Any:
    return live.get("/api/v1/connections").json()["data"]["items"][0]["state"]


@pytest.mark.parametrize("fault", ["hang", "drip=60"])
def test_a_worker_killed_while_the_vendor_answers_leaves_a_connection_that_says_connect_again(
    crm: Live, box: Sandbox, fault: str
) -> None:
    """With ``hang`` the vendor has not acted yet, with ``drip`` it has; nobody can tell which."""
    box.fault("/oauth2/token", fault, times=1)
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(call, crm)
        assert wait_for(lambda: box.requests)
        wait_for(lambda: fault == "hang" or box.oauth.refreshes)
        kill_workers(crm)
        assert lost.result(30) is None
    sent = list(box.oauth.refreshes)

    let_claims_end(crm)
    assert settled_call(crm) == CREDENTIAL_ERROR
    assert [call(crm) for _ in range(6)] == [CREDENTIAL_ERROR] * 6
    assert state(crm) == "reconnect"
    assert box.oauth.refreshes == sent


def test_a_worker_killed_after_its_claim_and_before_it_sent_is_taken_for_one_that_has_sent(
    crm: Live, box: Sandbox
) -> None:
    assert call(crm) == 0
    with rows(crm) as session:  # as its first commit leaves the row
        session.query(AccountConnection).one().claim = "of a worker that died"
    box.revoke_tokens()
    let_claims_end(crm)
    assert [call(crm) for _ in range(4)] == [CREDENTIAL_ERROR] * 4
    assert len(box.oauth.refreshes) == 1


def test_all_workers_killed_after_the_answer_was_stored_go_on_with_the_new_refresh_token(
    crm: Live, box: Sandbox
) -> None:
    assert call(crm) == 0
    for _ in range(3):
        kill_workers(crm)
        box.revoke_tokens()
        assert wait_for(lambda: call(crm) == 0)
    assert len(set(box.oauth.refreshes)) == len(box.oauth.refreshes) == 4


@pytest.mark.parametrize("redis", ["there", "away"])
def test_under_a_storm_of_calls_no_refresh_token_is_sent_twice(
    crm: Live, box: Sandbox, one_redis_server: RedisServer, redis: str
) -> None:
    """Tokens end after half a second, and workers are killed where Redis is there."""
    box.oauth.expires_in = 1
    crm.token()
    done = threading.Event()

    def ask() -> list[int | None]:
        codes = []
        while not done.is_set():
            codes.append(call(crm))
        return codes

    if redis == "away":
        one_redis_server.kill()
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(ask) for _ in range(8)]
        try:
            wait_for(lambda: len(box.oauth.refreshes) >= 6)
            if redis == "there":
                kill_workers(crm)
                wait_for(lambda: len(box.oauth.refreshes) >= 9 or is_claimed(crm))
        finally:
            done.set()
            if redis == "away":
                one_redis_server.start()
        codes = [code for future in futures for code in future.result(120)]
    assert box.oauth.reused == []
    assert len(set(box.oauth.refreshes)) == len(box.oauth.refreshes)
    assert codes.count(0) > 0
    let_claims_end(crm)
    survived = settled_call(crm) == 0
    assert state(crm) == ("connected" if survived else "reconnect")
