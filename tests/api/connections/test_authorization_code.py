"""``oauth2`` with ``grant: authorization_code``: an admin connects the account in a browser, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
import requests

from models import ConnectionRequest, User
from sandbox.vendors.oauth import CLIENT_ID
from tests.gateway.fakes import Wire, answer

CREDENTIAL_ERROR = -1012
REDIRECT_URI = "https://tools.example/p/api/v1/oauth/callback"


@pytest.fixture
def crm(connect_app, box):
    return connect_app(
        grant="authorization_code", authorization_url=f"{box.url}/oauth2/authorize", scope="a b"
    )


def authorize(crm) -> dict[str, Any]:
    path = "/api/v1/connections/crm/authorize"
    return dict(crm.client.post(path, headers=crm.headers["admin"]).json["data"])


def visit(url: str) -> dict[str, str]:
    """Return what the vendor's page sends the browser back with."""
    back = requests.get(url, allow_redirects=False, timeout=30).headers["Location"]
    assert back.startswith(REDIRECT_URI + "?")
    return dict(parse_qsl(urlsplit(back).query))


def come_back(crm, query: dict[str, str], accept: str = "application/json") -> Any:
    return crm.client.get("/api/v1/oauth/callback", query_string=query, headers={"Accept": accept})


def connect(crm) -> None:
    assert come_back(crm, visit(authorize(crm)["authorization_url"])).status_code == 200


def token_requests(box) -> int:
    return sum(request.path == "/oauth2/token" for request in box.requests)


def test_an_admin_connects_the_account_and_calls_then_need_nobody(crm, box) -> None:
    before = crm.call()
    assert (before.status_code, before.json["code"]) == (502, CREDENTIAL_ERROR)
    assert "not connected yet" in before.json["message"]
    assert crm.listed["state"] == "not_connected"

    begun = authorize(crm)
    query = {
        name: values[0]
        for name, values in parse_qs(urlsplit(begun["authorization_url"]).query).items()
    }
    assert (
        query.items()
        >= {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "scope": "a b",
            "code_challenge_method": "S256",
        }.items()
    )
    back = come_back(crm, visit(begun["authorization_url"]))
    assert back.json["data"] == {"service": "crm", "state": "connected"}

    assert crm.call().json["data"] == {"scope": "a b"}
    crm.let_tokens_end()
    assert crm.codes(2) == [0, 0]
    assert len(box.oauth.refreshes) == 1
    connection = crm.listed
    assert (connection["state"], connection["connected_by"], connection["scopes"]) == (
        "connected",
        "admin",
        ["a", "b"],
    )
    assert connection["last_refreshed_at"] > connection["connected_at"]


def test_a_way_back_is_good_once(crm, box) -> None:
    back = visit(authorize(crm)["authorization_url"])
    assert come_back(crm, back).status_code == 200
    again = come_back(crm, back)
    assert (again.status_code, again.json["error"]["fields"].keys()) == (400, {"state"})
    assert token_requests(box) == 1
    assert crm.codes(1) == [0]


def test_whoever_looks_ahead_at_the_way_back_uses_nothing_up(crm, box) -> None:
    back = visit(authorize(crm)["authorization_url"])
    ahead = crm.client.head("/api/v1/oauth/callback", query_string=back)
    assert (ahead.status_code, token_requests(box)) == (200, 0)
    assert come_back(crm, back).status_code == 200


@pytest.mark.parametrize("state", ["", "nobody's", "x" * 5000, "\0"])
def test_a_state_that_is_not_ours_sends_nothing(crm, box, state: str) -> None:
    back = visit(authorize(crm)["authorization_url"])
    refused = come_back(crm, {**back, "state": state})
    assert (refused.status_code, refused.json["code"]) == (400, -3003)
    assert token_requests(box) == 0


def test_a_way_back_is_good_for_ten_minutes(crm, box) -> None:
    back = visit(authorize(crm)["authorization_url"])
    crm.clock.advance(601)
    assert come_back(crm, back).status_code == 400
    assert token_requests(box) == 0


def test_a_person_who_says_no_is_told_and_nothing_is_sent(crm, box) -> None:
    box.oauth.denies = True
    back = visit(authorize(crm)["authorization_url"])
    refused = come_back(crm, {**back, "error_description": "<b>secret</b>"})
    assert (refused.status_code, refused.json["code"]) == (422, -1006)
    assert "access was denied" in refused.json["message"]
    assert "secret" not in refused.text
    assert come_back(crm, back).status_code == 400
    assert token_requests(box) == 0


def test_who_is_no_admin_any_more_connects_nothing(crm, box) -> None:
    back = visit(authorize(crm)["authorization_url"])
    with crm.app.extensions["postern"].database.write_session() as session:
        User.by_username(session, "admin").role = "user"
    assert come_back(crm, back).status_code == 403
    assert token_requests(box) == 0


def test_a_vendors_page_that_gives_no_code_is_an_error(crm, box) -> None:
    back = visit(authorize(crm)["authorization_url"])
    assert come_back(crm, {"state": back["state"]}).json["error"]["fields"].keys() == {"code"}
    assert token_requests(box) == 0


def test_a_browser_gets_a_page_and_it_says_what_happened_without_markup_of_others(crm, box) -> None:
    page = come_back(crm, visit(authorize(crm)["authorization_url"]), "text/html,*/*")
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    assert "crm is connected" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    refused = come_back(crm, {"state": "<script>"}, "text/html")
    assert refused.status_code == 400
    assert "Begin anew" in refused.text
    assert "script" not in refused.text
    assert {page.headers["Cache-Control"], refused.headers["Cache-Control"]} == {"no-store"}


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (answer(b'{"token_type":"bearer"}'), "200"),
        (answer(b"<html>"), "200"),
        (answer(b"[]"), "200"),
        (answer(b'{"access_token":"a\\nb"}'), "200"),
        (answer(b'{"error":"invalid_grant"}', "400 Bad Request"), "400"),
        (answer(b"", "302 Found", "Location: http://127.0.0.1:9/elsewhere"), "302"),
    ],
)
def test_an_answer_to_the_code_that_has_no_token_connects_nothing_and_the_code_is_not_sent_again(
    connect_app, box, reply: bytes, status: str
) -> None:
    with Wire([reply]) as server:
        crm = connect_app(
            grant="authorization_code",
            authorization_url=f"{box.url}/oauth2/authorize",
            token_url=f"{server.url}/token",
        )
        back = visit(authorize(crm)["authorization_url"])
        refused = come_back(crm, back)
        assert (refused.status_code, refused.json["code"]) == (502, CREDENTIAL_ERROR)
        assert come_back(crm, back).status_code == 400
        assert len(server.heard) == 1
    assert crm.listed["state"] == "not_connected"


def test_the_codes_verifier_and_state_stand_nowhere_readable(crm) -> None:
    begun = authorize(crm)
    state = parse_qs(urlsplit(begun["authorization_url"]).query)["state"][0]
    with crm.app.extensions["postern"].database.read_session() as session:
        row = session.query(ConnectionRequest).one()
    assert state not in str(vars(row))
    assert crm.app.extensions["postern.auth"].app_secrets.state(row.verifier) == "current"
    assert row.expires_at - datetime.fromtimestamp(crm.clock.wall(), UTC) == timedelta(minutes=10)


def test_an_account_that_is_connected_anew_is_used_at_once_in_place_of_the_old_one(
    crm, box
) -> None:
    connect(crm)
    crm.codes(1)
    first = box.requests[-1].headers["authorization"]
    connect(crm)
    crm.codes(1)
    assert box.requests[-1].headers["authorization"] != first


def test_a_disconnected_account_is_not_used_and_can_be_connected_again(crm, box) -> None:
    connect(crm)
    crm.codes(1)
    path = "/api/v1/connections/crm"
    assert crm.client.delete(path, headers=crm.headers["admin"]).status_code == 200
    sent = len(box.requests)
    assert crm.codes(2) == [CREDENTIAL_ERROR] * 2
    assert len(box.requests) == sent
    assert (crm.listed["state"], crm.row.access_token) == ("not_connected", None)
    connect(crm)
    assert crm.codes(1) == [0]


def test_a_vendor_that_gives_no_refresh_token_serves_until_its_token_ends(crm, box) -> None:
    box.oauth.gives_refresh_tokens = False
    connect(crm)
    assert crm.codes(2) == [0, 0]
    crm.let_tokens_end()
    assert crm.codes(2) == [CREDENTIAL_ERROR] * 2
    assert (crm.listed["state"], token_requests(box)) == ("reconnect", 1)


def test_a_refused_token_without_a_refresh_token_must_be_connected_again(crm, box) -> None:
    box.oauth.gives_refresh_tokens = False
    connect(crm)
    box.revoke_tokens()
    assert crm.codes(2) == [CREDENTIAL_ERROR] * 2
    assert crm.listed["state"] == "reconnect"
    assert sum(request.path == "/oauth2/me" for request in box.requests) == 1


def test_connections_are_for_admins_and_other_services_have_none(crm, make_app, settings) -> None:
    for verb, path in (
        ("get", "/connections"),
        ("post", "/connections/crm/authorize"),
        ("delete", "/connections/crm"),
    ):
        answered = getattr(crm.client, verb)("/api/v1" + path, headers=crm.headers["user"])
        assert answered.status_code == 403
    for verb, path in (("post", "/connections/crn/authorize"), ("delete", "/connections/crn")):
        unknown = getattr(crm.client, verb)("/api/v1" + path, headers=crm.headers["admin"])
        assert (unknown.status_code, unknown.json["error"]["did_you_mean"]) == (404, "crm")


def test_a_service_that_no_admin_connects_says_so(connect_app) -> None:
    crm = connect_app()
    refused = crm.client.post("/api/v1/connections/crm/authorize", headers=crm.headers["admin"])
    assert (refused.status_code, refused.json["code"]) == (409, -3006)
    listed = crm.client.get("/api/v1/connections", headers=crm.headers["admin"])
    assert listed.json["data"] == {"items": [], "total": 0}


def test_who_connected_and_who_forgot_an_account_is_in_the_audit_log(crm) -> None:
    connect(crm)
    for _ in range(2):  # the second time nothing is there to be forgotten
        crm.client.delete("/api/v1/connections/crm", headers=crm.headers["admin"])
    events = crm.client.get("/api/v1/audit", headers=crm.headers["admin"]).json["data"]["items"]

    assert [(event["action"], event["object"]) for event in events] == [
        ("connection.connect", "service:crm"),
        ("connection.delete", "service:crm"),
    ]
    assert len({event["actor"] for event in events}) == 1
    assert events[0]["actor"].startswith("user:")
    assert events[0]["address"] == "127.0.0.1"
