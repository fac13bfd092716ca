"""A new refresh token whose way into the database breaks is not lost while its worker lives."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from config import Settings
from gateway.clock import Clock, SystemClock
from tests.gateway.fakes import comes_true
from tests.held_vendor import held
from tests.postgres_proxy import LossyProxy


@pytest.fixture(params=["postgresql"])
def database_kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


@pytest.fixture
def proxy(database_url: str) -> Iterator[LossyProxy]:
    running = LossyProxy(database_url)
    yield running
    running.close()


@pytest.fixture
def settings(settings: Settings, proxy: LossyProxy) -> Settings:
    return replace(settings, database_url=proxy.url)


@pytest.mark.parametrize("lose", ["answer", "commit", "all"])
def test_what_the_vendor_answered_is_stored_once_the_database_is_back(
    connect_app, box, proxy: LossyProxy, lose: str
) -> None:
    crm = connect_app(grant="refresh_token", refresh_token=box.oauth.begin_family())
    with ThreadPoolExecutor(1) as pool, held(box, "/oauth2/token") as release:
        called = pool.submit(crm.call)
        assert comes_true(lambda: box.requests)
        proxy.lose = lose  # of the commit that stores the answer
        release.set()
        assert called.result(30).json["code"] == 0
    proxy.lose = ""
    assert comes_true(lambda: crm.row.last_refreshed_at is not None)
    assert (crm.row.version, crm.row.claim, crm.listed["state"]) == (2, None, "connected")
    box.revoke_tokens()
    assert crm.codes(2) == [0, 0]
    assert len(set(box.oauth.refreshes)) == len(box.oauth.refreshes) == 2
