"""Apps over HTTP."""

from __future__ import annotations

import hashlib
import hmac
import itertools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from models import App
from tests.clock import FakeClock

BODY = {"app_id": "till", "allow": ["wechat.*", "maps"], "rate": "100/minute"}
_nonces = itertools.count(10**8)


def signed(
    clock: FakeClock, secret: str, target: str, app_id: str = "shop", nonce: str = ""
) -> dict[str, str]:
    """The headers of a signed GET without a body, with a nonce of its own unless one is given."""
    timestamp, nonce = str(int(clock.wall())), nonce or str(next(_nonces))
    text = "\n".join(("GET", target, timestamp, nonce, hashlib.sha256(b"").hexdigest()))
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    return {
        "X-App-Id": app_id,
        "X-Timestamp": timestamp,
        "X-Nonce": nonce,
        "X-Signature": signature,
    }


@pytest.fixture
def ask(client, clock):
    """Whether a request that the app till signs with this secret comes through."""

    def get(secret: str) -> tuple[int, int]:
        answer = client.get("/me", headers=signed(clock, secret, "/me", "till"))
        return answer.status_code, answer.json["code"]

    return get


@pytest.fixture
def post(client, tokens):
    return lambda path, body=None: client.post(
        f"/api/v1/apps{path}", json=body, headers=tokens["admin"]
    )


def outcome(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json["code"]


def test_a_made_app_signs_with_the_secret_that_was_shown(post, ask) -> None:
    answer = post("", BODY)

    assert answer.status_code == 201
    assert {**BODY, "disabled": False}.items() <= answer.json["data"].items()
    assert answer.headers["Cache-Control"] == "no-store"
    assert ask(answer.json["data"]["secret"]) == (200, 0)


def test_the_list_has_no_secret(client, tokens, post) -> None:
    secret = post("", BODY).json["data"]["secret"]
    listed = client.get("/api/v1/apps", headers=tokens["admin"])
    with client.get("/api/v1/apps", headers={**tokens["admin"], "Accept": "text/csv"}) as csv:
        lines = csv.text.splitlines()

    [item] = listed.json["data"]["items"]
    assert set(item) == {"id", "app_id", "allow", "rate", "disabled", "created_at", "last_used_at"}
    assert (listed.json["data"]["total"], item["allow"]) == (1, BODY["allow"])
    assert lines[0] == "id,app_id,allow,rate,disabled,created_at,last_used_at"
    assert lines[1].startswith("1,till,wechat.* maps,100/minute,false,20")
    assert secret not in listed.text


def test_the_list_is_sorted_and_paged(client, tokens, post) -> None:
    for name in ("b", "c", "a"):
        post("", {**BODY, "app_id": name})

    def names(query: str) -> list[str]:
        items = client.get(f"/api/v1/apps?{query}", headers=tokens["admin"]).json["data"]["items"]
        return [item["app_id"] for item in items]

    assert names("") == ["b", "c", "a"]
    assert names("sort=-app_id&limit=2") == ["c", "b"]
    assert names("after=1") == ["c", "a"]
    assert outcome(client.get("/api/v1/apps?sort=secret", headers=tokens["admin"])) == (400, -3003)


def test_after_a_rotation_both_secrets_are_good_until_the_next(post, ask) -> None:
    secrets = [post("", BODY).json["data"]["secret"]]
    rotated = post("/till/rotate")
    secrets.append(rotated.json["data"]["secret"])

    assert rotated.status_code == 200
    assert [ask(secret) for secret in secrets] == [(200, 0), (200, 0)]
    secrets.append(post("/till/rotate").json["data"]["secret"])
    assert [ask(secret)[0] for secret in secrets] == [401, 200, 200]
    assert len(set(secrets)) == 3


def test_rotations_at_the_same_time_leave_the_last_two_secrets_good(app, tokens, post, ask) -> None:
    post("", BODY)

    def rotate(_: int) -> str:
        answer = app.test_client().post("/api/v1/apps/till/rotate", headers=tokens["admin"])
        return answer.json["data"]["secret"]

    with ThreadPoolExecutor(4) as pool:
        secrets = list(pool.map(rotate, range(4)))

    assert sorted(ask(secret)[0] for secret in secrets) == [200, 200, 401, 401]


def test_a_disabled_app_is_refused_from_the_next_request_on(post, ask) -> None:
    secret = post("", BODY).json["data"]["secret"]
    disabled = post("/till/disable")

    assert (disabled.status_code, disabled.json["data"]["disabled"]) == (200, True)
    assert "secret" not in disabled.json["data"]
    assert ask(secret) == (401, -1002)
    assert post("/till/disable").status_code == 200
    assert outcome(post("/till/rotate")) == (409, -3006)
    assert post("/till/enable").json["data"]["disabled"] is False
    assert ask(secret) == (200, 0)


@pytest.mark.parametrize("app_id", ["nobody", "a%00b", "%E8%8C%B6", "x" * 500])
@pytest.mark.parametrize("what", ["rotate", "disable", "enable"])
def test_an_unknown_app_is_not_found(post, app_id: str, what: str) -> None:
    assert outcome(post(f"/{app_id}/{what}")) == (404, -3004)


def test_an_app_id_is_taken_once(post) -> None:
    post("", BODY)
    second = post("", BODY)
    assert outcome(second) == (409, -3006)
    assert second.json["error"]["fields"] == {"app_id": ["There is one already."]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("app_id", ""), ("app_id", "a b"), ("app_id", "x" * 65), ("app_id", "till\n"), ("app_id", None), ("app_id", 5),
        ("allow", []), ("allow", None), ("allow", "maps"), ("allow", ["a.b.c"]), ("allow", [""]), ("allow", ["maps\n"]),
        ("allow", ["maps"] * 101), ("rate", "often"), ("rate", "0/minute"), ("rate", "1" * 40 + "/minute"),
        ("secret", "mine"), ("disabled", True),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(post, field: str, value: Any) -> None:
    answer = post("", {**BODY, field: value})

    assert outcome(answer) == (400, -3003), answer.text
    assert set(answer.json["error"]["fields"]) == {field}


def test_only_admins_have_to_do_with_apps(client, tokens, post) -> None:
    post("", BODY)
    for role in ("guest", "user"):
        assert outcome(client.get("/api/v1/apps", headers=tokens[role])) == (403, -2004)
        for path in ("", "/till/rotate", "/till/disable"):
            assert outcome(client.post(f"/api/v1/apps{path}", json=BODY, headers=tokens[role])) == (
                403,
                -2004,
            )


def test_a_new_secret_is_taken_out_of_every_log_line_and_stored_sealed(app, post) -> None:
    masker = app.extensions["postern"].masker
    for secret in (
        post("", BODY).json["data"]["secret"],
        post("/till/rotate").json["data"]["secret"],
    ):
        assert secret not in masker.mask_text(f"it is {secret}")
        with app.extensions["postern"].database.read_session() as session:
            till = App.by_app_id(session, "till")
            assert secret not in till.secret + (till.previous_secret or "")


def test_an_app_is_read_changed_and_deleted(client, tokens, post, ask) -> None:
    secret = post("", BODY).json["data"]["secret"]
    one = "/api/v1/apps/till"
    read = client.get(one, headers=tokens["admin"])
    assert read.json["data"]["allow"] == BODY["allow"]
    assert "secret" not in read.json["data"]

    stale = {**tokens["admin"], "If-Match": read.headers["ETag"]}
    changed = client.patch(one, json={"allow": ["maps"], "rate": None}, headers=stale)
    assert (changed.status_code, changed.json["data"]["allow"]) == (200, ["maps"])
    assert changed.json["data"]["rate"] is None
    assert outcome(client.patch(one, json={"rate": "1/day"}, headers=stale)) == (412, -3009)
    assert outcome(client.delete(one, headers=stale)) == (412, -3009)
    assert ask(secret) == (200, 0)

    assert client.delete(one, headers=tokens["admin"]).status_code == 200
    assert ask(secret) == (401, -1002)
    for verb in (client.get, client.delete, client.patch):
        body = {"json": {"rate": None}} if verb == client.patch else {}
        assert outcome(verb(one, headers=tokens["admin"], **body)) == (404, -3004)


@pytest.mark.parametrize("what", ["rotate", "disable", "enable"])
def test_an_app_that_has_changed_is_neither_rotated_nor_disabled(
    client, tokens, post, ask, what: str
) -> None:
    secret = post("", BODY).json["data"]["secret"]
    stale = {
        **tokens["admin"],
        "If-Match": client.get("/api/v1/apps/till", headers=tokens["admin"]).headers["ETag"],
    }
    client.patch("/api/v1/apps/till", json={"rate": "5/day"}, headers=tokens["admin"])

    path = f"/api/v1/apps/till/{what}"
    assert outcome(client.post(path, headers=stale)) == (412, -3009)
    assert ask(secret) == (200, 0)
    current = client.get("/api/v1/apps/till", headers=tokens["admin"])
    assert current.json["data"]["disabled"] is False
    fresh = {**tokens["admin"], "If-Match": current.headers["ETag"]}
    assert client.post(path, headers=fresh).status_code == 200


@pytest.mark.parametrize(
    "body", [{"app_id": "other"}, {"allow": []}, {"rate": "fast"}, {"secret": "x"}]
)
def test_a_wrong_change_of_an_app_is_told_by_field(client, tokens, post, body: Any) -> None:
    post("", BODY)
    answer = client.patch("/api/v1/apps/till", json=body, headers=tokens["admin"])
    assert outcome(answer) == (400, -3003)
    assert answer.json["error"]["fields"].keys() == body.keys()


@pytest.mark.parametrize("role", ["user", "guest"])
def test_only_an_admin_reads_or_changes_an_app(client, tokens, post, role: str) -> None:
    post("", BODY)
    for verb in (client.get, client.delete):
        assert outcome(verb("/api/v1/apps/till", headers=tokens[role])) == (403, -2004)


def test_what_of_allow_names_nothing_in_the_catalog_is_a_warning(client, tokens, post) -> None:
    allow = ["wechat.*", "maps", "*", "wechta.*", "maps.nothing"]
    answer = post("", {**BODY, "allow": allow})
    warnings = [
        "allow: wechta.* names nothing in the catalog",
        "allow: maps.nothing names nothing in the catalog",
    ]
    assert (answer.status_code, answer.json["data"]["warnings"]) == (201, warnings)
    changed = client.patch("/api/v1/apps/till", json={"rate": "5/day"}, headers=tokens["admin"])
    assert changed.json["data"]["warnings"] == warnings


def test_an_app_tells_when_it_last_signed_to_within_a_minute(
    client, tokens, post, ask, clock
) -> None:
    secret = post("", BODY).json["data"]["secret"]

    def last_used_at() -> str | None:
        return client.get("/api/v1/apps/till", headers=tokens["admin"]).json["data"]["last_used_at"]

    assert last_used_at() is None
    ask(secret)
    first = last_used_at()
    assert first is not None
    clock.advance(5)
    ask(secret)
    assert last_used_at() == first
    clock.advance(60)
    ask(secret)
    assert last_used_at() > first


def test_a_refused_signature_carries_the_text_that_should_have_been_signed(
    client, post, clock
) -> None:
    post("", BODY)
    headers = signed(clock, "wrong", "/me?a=1", "till")
    answer = client.get("/me?a=1", headers=headers)
    assert outcome(answer) == (401, -1002)
    empty_hash = hashlib.sha256(b"").hexdigest()
    expected = ["GET", "/me?a=1", headers["X-Timestamp"], headers["X-Nonce"], empty_hash]
    assert answer.json["error"]["string_to_sign"] == "\n".join(expected)
