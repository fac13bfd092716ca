"""The audit log: what is in it, who reads it, and for how long."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select

from models import AuditEvent
from models.audit import MAX_DELETED_EVENTS
from tests.api.conftest import PASSWORD

NEW = "another good password"


@pytest.fixture
def events(client, tokens):
    def read(query: str = "limit=100") -> list[dict[str, Any]]:
        answer = client.get(f"/api/v1/audit?{query}", headers=tokens["admin"])
        assert answer.status_code == 200, answer.text
        return answer.json["data"]["items"]

    return read


@pytest.fixture
def ask(client, tokens):
    def send(verb: str, path: str, body: Any = None, by: str = "admin", **headers: str) -> Any:
        answer = client.open(
            f"/api/v1{path}", method=verb, json=body, headers={**tokens[by], **headers}
        )
        assert answer.status_code < 300, answer.text
        return answer.json["data"]

    return send


def test_an_event_says_who_did_what_to_whom_when_and_from_where(
    ask, events, users, client, tokens, clock
) -> None:
    user = ask("POST", "/users", {"username": "ann", "password": PASSWORD, "email": "a@b.example"})
    client.patch(
        f"/api/v1/users/{user['id']}",
        json={"role": "admin", "email": "c@d.example"},
        headers={**tokens["admin"], "X-Request-ID": "promotion-1"},
        environ_base={"REMOTE_ADDR": "192.0.2.7"},
    )
    last = events()[-1]

    assert last["created_at"].startswith(datetime.fromtimestamp(clock.wall(), UTC).isoformat()[:19])
    assert {name: last[name] for name in last if name not in ("id", "created_at")} == {
        "actor": f"user:{users['admin']}",
        "action": "user.set_role",
        "object": f"user:{user['id']}",
        "name": "ann",
        "changed": {"email": None, "role": "admin"},
        "address": "192.0.2.7",
        "request_id": "promotion-1",
    }


def test_every_act_on_users_and_apps_is_there_and_no_secret_is(
    ask, events, users, client, tokens, login
) -> None:
    path = f"/users/{ask('POST', '/users', {'username': 'ann', 'password': PASSWORD})['id']}"
    for body in ({"role": "guest"}, {"password": NEW}, {"name": "Ann"}, {"disabled": True}):
        ask("PATCH", path, body)
    ask("PATCH", path, {"disabled": False})
    ask("PATCH", path, {"disabled": False, "name": "Ann"})  # which changes nothing
    ask("POST", f"{path}/revoke_tokens")
    ask("DELETE", path)
    ask("POST", "/user/password", {"current_password": PASSWORD, "new_password": NEW}, "user")
    app = ask("POST", "/apps", {"app_id": "till", "allow": ["maps"], "rate": "5/day"})
    ask("PATCH", "/apps/till", {"allow": ["wechat.*", "maps"]})
    rotated = ask("POST", "/apps/till/rotate")
    ask("POST", "/apps/till/disable")
    ask("POST", "/apps/till/enable")
    ask("DELETE", "/apps/till")

    assert [(event["action"], event["changed"]) for event in events()] == [
        ("user.create", dict.fromkeys(("age", "email", "name", "password", "username"), None)
         | {"role": "user"}),
        ("user.set_role", {"role": "guest"}),
        ("user.password", {"password": None}),
        ("user.change", {"name": None}),
        ("user.disable", {"disabled": True}),
        ("user.enable", {"disabled": False}),
        ("user.revoke_tokens", {}),
        ("user.delete", {}),
        ("user.password", {"password": None}),
        ("app.create", {"allow": ["maps"], "app_id": None, "rate": "5/day"}),
        ("app.change", {"allow": ["wechat.*", "maps"]}),
        ("app.rotate", {}),
        ("app.disable", {"disabled": True}),
        ("app.enable", {"disabled": False}),
        ("app.delete", {}),
    ]  # fmt: skip
    text = client.get("/api/v1/audit?limit=100", headers=tokens["admin"]).text
    for secret in (PASSWORD, NEW, app["secret"], rotated["secret"], "argon2"):
        assert secret not in text


def test_what_an_admin_does_to_others_belongings_is_there_and_to_ones_own_is_not(
    ask, events, client, tokens, users
) -> None:
    for owner in ("user", "admin"):
        ask("POST", "/data", {"key": f"of {owner}", "value": 1}, owner)
        ask("POST", "/data", {"key": f"of {owner}", "value": 2}, "admin")
        ask("DELETE", f"/data/of {owner}")
        form = {"file": (io.BytesIO(b"x"), f"of-{owner}.txt")}
        stored = client.post("/api/v1/files", data=form, headers=tokens[owner]).json["data"]
        ask("DELETE", f"/files/{stored['id']}")
    product = ask("POST", "/products", {"name": "Teapot", "price": "1.00"})
    ask("DELETE", f"/products/{product['id']}")

    assert [(event["action"], event["name"]) for event in events()] == [
        ("data.replace", None),
        ("data.delete", None),
        ("file.delete", "of-user.txt"),
        ("product.delete", "Teapot"),
    ]
    assert events()[0]["object"] == "data:of user"


def test_what_users_change_of_themselves_is_no_act_but_for_the_password(ask, events, users) -> None:
    ask("PATCH", f"/users/{users['user']}", {"name": "Una"}, "user")
    assert events() == []


def test_what_was_not_done_is_not_there(ask, events, client, tokens, users) -> None:
    ask("POST", "/apps", {"app_id": "till", "allow": ["maps"]})
    second = client.post(
        "/api/v1/apps", json={"app_id": "till", "allow": ["maps"]}, headers=tokens["admin"]
    )
    own = f"/api/v1/users/{users['admin']}"
    refused = [
        second,
        client.delete(own, headers=tokens["admin"]),
        client.patch(own, json={"role": "user"}, headers=tokens["admin"]),
        client.patch("/api/v1/users/999", json={"role": "user"}, headers=tokens["admin"]),
        client.post("/api/v1/apps", json={"app_id": "x", "allow": ["*"]}, headers=tokens["user"]),
    ]
    assert [answer.status_code for answer in refused] == [409, 409, 409, 404, 403]
    assert [event["action"] for event in events()] == ["app.create"]


def test_what_cannot_be_written_down_is_not_done(app, client, tokens, users) -> None:
    engine = app.extensions["postern"].database.write_engine

    def fail(*args: Any) -> None:
        if "INSERT INTO audit_events" in args[2]:
            raise OSError("no room")

    event.listen(engine, "before_cursor_execute", fail)
    body = {"username": "ann", "password": PASSWORD}
    assert client.post("/api/v1/users", json=body, headers=tokens["admin"]).status_code >= 500
    event.remove(engine, "before_cursor_execute", fail)
    assert client.post("/api/v1/users", json=body, headers=tokens["admin"]).status_code == 201


def test_an_act_that_is_sent_again_under_its_key_is_there_once(ask, events) -> None:
    for _ in range(2):
        ask("POST", "/apps", {"app_id": "t", "allow": ["maps"]}, **{"Idempotency-Key": "k-1"})
    assert [event["action"] for event in events()] == ["app.create"]


def test_the_log_is_filtered_sorted_paged_and_csv(
    ask, events, client, tokens, users, clock
) -> None:
    ask("POST", "/apps", {"app_id": "till", "allow": ["maps", "wechat.*"], "rate": "5/day"})
    clock.advance(60)
    since = datetime.fromtimestamp(clock.wall(), UTC).isoformat().replace("+00:00", "Z")
    ask("POST", "/apps/till/rotate")
    ask("POST", "/apps/till/disable")

    def actions(query: str) -> list[str]:
        return [event["action"].partition(".")[2] for event in events(query)]

    assert actions("sort=-id") == ["disable", "rotate", "create"]
    assert actions("action=app.rotate") == ["rotate"]
    assert actions(f"since={since}") == actions(f"since={since[:19]}") == ["rotate", "disable"]
    assert actions("object=app:till&limit=1") == ["create"]
    assert actions(f"actor=user:{users['admin']}&skip=2") == ["disable"]
    assert actions("actor=user:999") == []
    assert actions(f"after={events()[0]['id']}") == ["rotate", "disable"]
    with client.get(
        "/api/v1/audit?limit=1", headers={**tokens["admin"], "Accept": "text/csv"}
    ) as answer:
        header, row = answer.text.splitlines()
    assert header == "id,created_at,actor,action,object,name,changed,address,request_id"
    assert "allow=maps,wechat.* app_id rate=5/day" in row


@pytest.mark.parametrize(
    "query",
    [
        "since=yesterday",
        "since=0001-01-01T00:00:00%2B23:59",
        "since=9999-12-31T23:59:59-23:59",
        "actor=",
        "sort=actor",
        "who=me",
        "limit=0",
    ],
)
def test_a_wrong_query_is_refused(client, tokens, query: str) -> None:
    answer = client.get(f"/api/v1/audit?{query}", headers=tokens["admin"])
    assert (answer.status_code, answer.json["code"]) == (400, -3003)


def test_only_admins_read_the_log_and_nobody_changes_it(client, tokens) -> None:
    for role in ("guest", "user"):
        assert client.get("/api/v1/audit", headers=tokens[role]).status_code == 403
    for verb in ("POST", "DELETE", "PUT", "PATCH"):
        answer = client.open("/api/v1/audit", method=verb, headers=tokens["admin"])
        assert answer.status_code == 405


def test_events_are_kept_for_so_many_days_and_go_in_batches(
    make_app, settings, clock, tokens
) -> None:
    app = make_app(replace(settings, audit_keep_days=30))
    database = app.extensions["postern"].database
    now = datetime.fromtimestamp(clock.wall(), UTC)
    fields = {"actor": "user:1", "action": "user.change", "object": "user:2"}
    with database.write_session() as session:
        old = now - timedelta(days=30, seconds=1)
        session.add_all(AuditEvent(**fields, created_at=old) for _ in range(MAX_DELETED_EVENTS + 5))
        session.add(AuditEvent(**fields, created_at=now - timedelta(days=29)))

    def count_after_an_act(app_id: str) -> int:
        body = {"app_id": app_id, "allow": ["maps"]}
        answer = app.test_client().post("/api/v1/apps", json=body, headers=tokens["admin"])
        assert answer.status_code == 201
        with database.read_session() as session:
            return session.scalar(select(func.count()).select_from(AuditEvent))

    assert count_after_an_act("one") == 5 + 1 + 1
    assert count_after_an_act("two") == 1 + 2


def test_acts_at_the_same_time_do_not_wait_for_each_others_old_events(
    app, tokens, clock, users
) -> None:
    database = app.extensions["postern"].database
    long_ago = datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=366)
    with database.write_session() as session:
        rows = range(3 * MAX_DELETED_EVENTS)
        session.add_all(
            AuditEvent(actor="a", action="b", object="c", created_at=long_ago) for _ in rows
        )

    def create(number: int) -> int:
        body = {"app_id": f"a{number}", "allow": ["maps"]}
        answer = app.test_client().post("/api/v1/apps", json=body, headers=tokens["admin"])
        return answer.status_code

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(create, range(6))) == [201] * 6
    with database.read_session() as session:
        query = select(AuditEvent.action).where(AuditEvent.action == "app.create")
        assert len(session.scalars(query).all()) == 6


def test_a_login_takes_old_events_away_too(app, login, clock, users) -> None:
    database = app.extensions["postern"].database
    long_ago = datetime.fromtimestamp(clock.wall(), UTC) - timedelta(days=366)
    with database.write_session() as session:
        session.add(AuditEvent(actor="a", action="b", object="c", created_at=long_ago))
    login()
    with database.read_session() as session:
        assert session.scalar(select(func.count()).select_from(AuditEvent)) == 0
