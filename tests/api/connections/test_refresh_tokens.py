"""``oauth2`` with ``grant: refresh_token``: each refresh token is sent once, and none is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from gateway.errors import CredentialError
from gateway.exchange.connected_account import key_of_service
from gateway.masking import Secret
from gateway.signers.tokens.connection_store import CLAIM_SECONDS, Claim, Grant
from models.connections.vault import ConnectionVault
from tests.gateway.fakes import Wire, answer, comes_true
from tests.held_vendor import held
from tests.ports import free_port

CREDENTIAL_ERROR = -1012


@pytest.fixture
def seed(box) -> str:
    return box.oauth.begin_family("orders")


@pytest.fixture
def crm(connect_app, seed):
    return connect_app(grant="refresh_token", refresh_token=seed)


def take(crm) -> Claim:
    """What a worker has that is killed before it has stored the answer."""
    claim = crm.vault.take(key_of(crm))
    assert isinstance(claim, Claim)
    return claim


def key_of(crm):
    return key_of_service(crm.app.extensions["postern"].gateway.catalog.services["crm"])


def test_the_catalogs_refresh_token_is_sent_once_and_then_each_that_follows_it(
    crm, box, seed
) -> None:
    assert crm.codes(3) == [0, 0, 0]
    assert box.oauth.refreshes == [seed]
    crm.let_tokens_end()
    assert crm.codes(3) == [0, 0, 0]
    crm.let_tokens_end()
    assert crm.codes(1) == [0]
    assert len(set(box.oauth.refreshes)) == 3
    assert box.oauth.reused == []


def test_refresh_tokens_stand_sealed_in_the_database_and_nowhere_else(crm, box, seed) -> None:
    crm.codes(1)
    crm.let_tokens_end()
    crm.codes(1)
    stored = crm.row
    access_token = box.requests[-1].headers["authorization"].removeprefix("Bearer ")
    for token in (seed, access_token, *box.oauth.refreshes):
        assert token not in str(vars(stored))
        assert token not in str(crm.listed)
    assert crm.app.extensions["postern.auth"].app_secrets.state(stored.refresh_token) == "current"


def test_a_restart_goes_on_with_the_newest_refresh_token(connect_app, box, seed) -> None:
    connect_app(grant="refresh_token", refresh_token=seed).codes(1)
    after = connect_app(grant="refresh_token", refresh_token=seed)
    assert after.codes(1) == [0]
    assert box.oauth.refreshes == [seed]  # the access token is good yet
    after.let_tokens_end()
    assert after.codes(1) == [0]
    assert len(set(box.oauth.refreshes)) == 2


def test_another_refresh_token_in_the_catalog_takes_the_place_of_the_one_that_was(
    connect_app, box, seed
) -> None:
    box.oauth.revoke_families()
    old = connect_app(grant="refresh_token", refresh_token=seed)
    assert old.codes(1) == [CREDENTIAL_ERROR]
    other = box.oauth.begin_family()
    new = connect_app(grant="refresh_token", refresh_token=other)
    assert new.codes(2) == [0, 0]
    assert box.oauth.refreshes == [other]
    assert new.listed["state"] == "connected"


def test_a_revoked_refresh_token_is_sent_once_and_the_connection_says_connect_again(
    crm, box
) -> None:
    box.oauth.revoke_families()
    assert crm.codes(4) == [CREDENTIAL_ERROR] * 4
    assert len(box.oauth.refreshes) == 1
    assert crm.listed["state"] == "reconnect"
    assert "invalid_grant" in crm.listed["last_error"]
    assert "refresh token is used up or revoked" in crm.call().json["message"]


@pytest.mark.parametrize("fault", ["reset", "close", "html", "bad-json", "truncated", "status=504"])
def test_where_the_vendor_may_have_rotated_nobody_sends_the_old_refresh_token_again(
    crm, box, fault: str
) -> None:
    crm.codes(1)
    crm.let_tokens_end()
    box.fault("/oauth2/token", fault, times=1)
    assert crm.call().status_code in (502, 504)
    sent = sum(request.path == "/oauth2/token" for request in box.requests)
    assert crm.codes(3) == [CREDENTIAL_ERROR] * 3
    assert sum(request.path == "/oauth2/token" for request in box.requests) == sent == 2
    assert crm.listed["state"] == "reconnect"


def test_where_the_vendor_has_never_rotated_an_unknown_outcome_is_tried_again(crm, box) -> None:
    box.oauth.rotates = False
    crm.codes(1)
    crm.let_tokens_end()
    box.fault("/oauth2/token", "reset", times=1)
    assert crm.call().status_code == 502
    assert crm.codes(2) == [0, 0]
    assert crm.listed["state"] == "connected"


@pytest.mark.parametrize("fault", ["status=503", "status=500", "status=429"])
def test_a_vendor_that_says_that_it_failed_is_asked_again(crm, box, fault: str) -> None:
    box.fault("/oauth2/token", fault, times=1)
    assert crm.codes(2) == [CREDENTIAL_ERROR, 0]
    assert box.oauth.reused == []


def test_what_was_certainly_not_sent_leaves_the_connection_as_it_is(connect_app, seed) -> None:
    away = f"http://127.0.0.1:{free_port()}/oauth2/token"
    crm = connect_app(grant="refresh_token", refresh_token=seed, token_url=away)
    assert crm.codes(2) == [-1003, -1003]
    assert crm.listed["state"] == "connected"
    assert crm.row.claim is None


def test_a_claim_whose_holder_died_makes_the_connection_say_connect_again(crm, box, seed) -> None:
    take(crm)
    assert crm.call(**{"X-Request-Timeout": "0.2"}).json["code"] in (-1011, CREDENTIAL_ERROR)
    crm.clock.advance(CLAIM_SECONDS)
    assert crm.listed["state"] == "reconnect"
    assert crm.codes(2) == [CREDENTIAL_ERROR] * 2
    assert "ended before the answer was stored" in crm.listed["last_error"]
    assert box.oauth.refreshes == []


def test_where_the_vendor_has_never_rotated_a_dead_holders_claim_is_taken_over(crm, box) -> None:
    box.oauth.rotates = False
    crm.codes(1)
    crm.let_tokens_end()
    take(crm)
    crm.clock.advance(CLAIM_SECONDS)
    assert crm.codes(1) == [0]


def test_an_answer_that_comes_after_the_claim_was_given_up_still_saves_the_connection(
    crm, box
) -> None:
    claim = take(crm)
    crm.clock.advance(CLAIM_SECONDS)
    assert crm.codes(1) == [CREDENTIAL_ERROR]
    next_token = box.oauth.begin_family()
    crm.vault.keep(claim, Grant(Secret("late"), 60, Secret(next_token)))
    assert crm.listed["state"] == "connected"
    assert crm.codes(1) == [0]
    assert box.oauth.refreshes == [next_token]


def test_what_an_older_claim_brings_is_no_longer_stored_once_a_later_one_has_brought_more(
    crm,
) -> None:
    claim = take(crm)
    crm.vault.keep(claim, Grant(Secret("access"), 1, Secret("second")))
    crm.vault.keep(claim, Grant(Secret("access"), 1, Secret("older")))
    crm.vault.fail(claim, "revoked", "late")
    assert take(crm).refresh_token == Secret("second")


def test_of_all_who_take_a_refresh_token_at_the_same_time_one_gets_it(crm) -> None:
    key = key_of(crm)

    def try_to_take(_: int) -> bool:
        try:
            return isinstance(crm.vault.take(key), Claim)
        except CredentialError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(try_to_take, range(8)), reverse=True) == [True] + [False] * 7


def test_a_caller_without_patience_ends_in_time_and_its_refresh_is_finished_and_used(
    crm, box
) -> None:
    with held(box, "/oauth2/token"):
        hurried = crm.call(**{"X-Request-Timeout": "0.5"})
        assert hurried.json["code"] == -1011
        assert comes_true(lambda: box.requests)
    assert comes_true(lambda: crm.row.last_refreshed_at is not None)
    assert crm.codes(1) == [0]
    assert len(box.oauth.refreshes) == 1


def test_a_token_that_the_service_refuses_costs_one_refresh(crm, box) -> None:
    crm.codes(1)
    box.revoke_tokens()
    assert crm.codes(2) == [0, 0]
    assert len(set(box.oauth.refreshes)) == len(box.oauth.refreshes) == 2


def test_who_calls_while_a_refused_token_is_noted_brings_it_back_to_nobody(
    crm, box, monkeypatch: pytest.MonkeyPatch
) -> None:
    crm.codes(1)
    box.revoke_tokens()
    note, take = ConnectionVault.refuse, ConnectionVault.take
    others: list[int] = []
    taken: list[Claim | Grant] = []

    def refuse(*given) -> None:
        if not taken and not others:
            others.append(0)
            with ThreadPoolExecutor(1) as pool:
                others[:] = pool.submit(
                    replace(crm, client=crm.app.test_client()).codes, 1
                ).result()
        note(*given)

    def take_note(*given) -> Claim | Grant:
        taken.append(take(*given))
        return taken[-1]

    monkeypatch.setattr(ConnectionVault, "refuse", refuse)
    monkeypatch.setattr(ConnectionVault, "take", take_note)
    assert crm.codes(1) == others == [0]
    assert [type(each) for each in taken] == [Claim]


def test_scope_and_the_ends_of_tokens_are_told(connect_app, seed) -> None:
    body = b'{"access_token":"a","expires_in":600,"refresh_token_expires_in":86400,"scope":"x y"}'
    with Wire([answer(body)] * 2) as server:
        crm = connect_app(grant="refresh_token", refresh_token=seed, token_url=server.url + "/t")
        crm.codes(1)
    connection = crm.listed
    assert connection["scopes"] == ["x", "y"]
    assert (connection["connected_by"], connection["grant"]) == ("catalog", "refresh_token")
    assert connection["access_expires_at"] < connection["expires_at"]
    assert connection["last_error"] is None


def test_a_disconnected_service_is_refused_and_its_tokens_are_gone(crm, box) -> None:
    crm.codes(1)
    answer = crm.client.delete("/api/v1/connections/crm", headers=crm.headers["admin"])
    assert answer.status_code == 200
    box.requests.clear()
    assert crm.codes(2) == [CREDENTIAL_ERROR] * 2
    assert len(box.oauth.refreshes) == 1
    assert (crm.row.refresh_token, crm.listed["state"]) == (None, "not_connected")


def test_what_has_to_be_connected_again_stands_on_the_page_of_metrics(crm, box) -> None:
    crm.codes(1)
    assert 'postern_connection_ok{service="crm"} 1.0' in crm.client.get("/metrics").text
    box.oauth.revoke_families()
    crm.let_tokens_end()
    crm.codes(1)
    assert 'postern_connection_ok{service="crm"} 0.0' in crm.client.get("/metrics").text


def test_processes_that_share_the_database_alone_share_the_access_token_too(
    connect_app, box, seed
) -> None:
    apps = [connect_app(grant="refresh_token", refresh_token=seed) for _ in range(3)]
    assert [crm.codes(2) for crm in apps] == [[0, 0]] * 3
    assert len(box.oauth.refreshes) == 1
    box.revoke_tokens()
    assert [crm.codes(2) for crm in apps] == [[0, 0]] * 3
    assert len(set(box.oauth.refreshes)) == len(box.oauth.refreshes) == 2
