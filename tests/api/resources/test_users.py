"""Users over HTTP."""

from __future__ import annotations

import hashlib
import hmac
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest

from api.auth import views
from api.resources import users as users_api
from models import Order, User
from tests.api.conftest import PASSWORD

NEW = "another good password"


@pytest.fixture
def make(client, tokens):
    def user(username: str = "ann", **fields: Any) -> dict[str, Any]:
        body = {"username": username, "password": PASSWORD, **fields}
        answer = client.post("/api/v1/users", json=body, headers=tokens["admin"])
        assert answer.status_code == 201, answer.text
        return answer.json["data"]

    return user


@pytest.fixture
def log_in(client):
    def attempt(username: str, password: str = PASSWORD) -> Any:
        return client.post("/api/v1/login", json={"username": username, "password": password})

    return attempt


@pytest.fixture
def headers_of(log_in):
    return lambda username: {
        "Authorization": f"Bearer {log_in(username).json['data']['access_token']}"
    }


def outcome(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json["code"]


def test_a_user_is_made_read_changed_and_deleted_by_an_admin(client, tokens, log_in) -> None:
    ann = {
        "username": "ann",
        "name": "Ann 安",
        "age": 33,
        "email": "ann@example.com",
        "role": "guest",
    }

    answer = client.post(
        "/api/v1/users", json={**ann, "password": PASSWORD}, headers=tokens["admin"]
    )
    path = f"/api/v1/users/{answer.json['data']['id']}"
    read = client.get(path, headers=tokens["admin"])
    changed = client.patch(path, json={"username": "anna", "age": None}, headers=tokens["admin"])

    assert answer.status_code == 201
    assert set(read.json["data"]) == {
        "id",
        "username",
        "name",
        "age",
        "email",
        "role",
        "created_at",
        "disabled",
    }
    assert ann.items() <= read.json["data"].items()
    assert changed.json["data"] == {**read.json["data"], "username": "anna", "age": None}
    assert log_in("anna").status_code == 200
    assert client.delete(path, headers=tokens["admin"]).status_code == 200
    assert outcome(client.get(path, headers=tokens["admin"])) == (404, -3004)
    assert outcome(log_in("anna")) == (401, -2006)


def test_what_is_left_out_has_a_default(make) -> None:
    assert {"name": None, "age": None, "email": None, "role": "user"}.items() <= make().items()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("username", ""), ("username", "x" * 151), ("username", "a\0b"), ("username", None), ("password", "short 7"),
        ("password", "x" * 1025), ("password", 12345678), ("age", -1), ("age", 151), ("age", "5"), ("age", True), ("age", 1.5),
        ("email", "no address"), ("email", "a@b\0.com"), ("email", "x" * 250 + "@example.com"), ("email", ""), ("role", "root"),
        ("role", None), ("name", "x" * 151), ("name", ""), ("id", 7), ("version", 7), ("password_hash", "x"), ("current_password", "x"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(client, tokens, field: str, value: Any) -> None:
    body = {"username": "ann", "password": PASSWORD, field: value}
    answer = client.post("/api/v1/users", json=body, headers=tokens["admin"])

    assert (answer.status_code, answer.json["code"]) == (400, -3003), answer.text
    assert set(answer.json["error"]["fields"]) == {field}
    assert PASSWORD not in answer.text


def test_a_username_is_taken_once(client, tokens, users, make) -> None:
    again = client.post(
        "/api/v1/users", json={"username": "user", "password": PASSWORD}, headers=tokens["admin"]
    )
    renamed = client.patch(
        f"/api/v1/users/{make()['id']}", json={"username": "user"}, headers=tokens["admin"]
    )

    assert outcome(again) == outcome(renamed) == (409, -3006)
    assert (
        again.json["error"]["fields"]
        == renamed.json["error"]["fields"]
        == {"username": ["There is one already."]}
    )


def test_two_users_of_one_name_are_not_made_at_the_same_time(app, tokens) -> None:
    def create(_: int) -> int:
        body = {"username": "ann", "password": PASSWORD}
        return (
            app.test_client().post("/api/v1/users", json=body, headers=tokens["admin"]).status_code
        )

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(create, range(6))) == [201] + [409] * 5


@pytest.mark.parametrize("role", ["guest", "user"])
def test_only_admins_list_and_make_users(client, tokens, role: str) -> None:
    assert outcome(client.get("/api/v1/users", headers=tokens[role])) == (403, -2004)
    assert outcome(client.post("/api/v1/users", json={}, headers=tokens[role])) == (403, -2004)


@pytest.mark.parametrize("role", ["guest", "user"])
def test_somebody_elses_record_is_not_there(client, tokens, users, role: str) -> None:
    path = f"/api/v1/users/{users['admin']}"
    answers = [
        client.get(path, headers=tokens[role]),
        client.patch(path, json={"name": "x"}, headers=tokens[role]),
        client.patch(path, json={"role": "guest"}, headers=tokens[role]),
        client.delete(path, headers=tokens[role]),
    ]
    missing = client.get("/api/v1/users/999", headers=tokens[role])

    assert {outcome(answer) for answer in answers} == {(404, -3004)}
    assert missing.json["message"].replace("999", "") == answers[0].json["message"].replace(
        str(users["admin"]), ""
    )


@pytest.mark.parametrize("which", ["abc", "-1", "99999999999999999999", "0", "999"])
def test_an_id_that_is_none_is_not_found(client, tokens, which: str) -> None:
    for verb in ("get", "delete"):
        assert (
            getattr(client, verb)(f"/api/v1/users/{which}", headers=tokens["admin"]).json["code"]
            == -3004
        )


@pytest.mark.parametrize("role", ["guest", "user"])
def test_one_reads_and_changes_oneself(client, tokens, users, role: str) -> None:
    path = f"/api/v1/users/{users[role]}"

    changed = client.patch(path, json={"name": "New", "email": "a@b.example"}, headers=tokens[role])

    assert changed.json["data"]["name"] == "New"
    assert client.get(path, headers=tokens[role]).json["data"] == changed.json["data"]
    assert (
        client.get("/api/v1/user/profile", headers=tokens[role]).json["data"]
        == changed.json["data"]
    )


@pytest.mark.parametrize("body", [{"role": "admin"}, {"role": "user"}, {"username": "root"}])
def test_nobody_promotes_or_renames_themselves(client, tokens, users, body: dict[str, str]) -> None:
    path = f"/api/v1/users/{users['user']}"
    assert outcome(client.patch(path, json={"name": "x", **body}, headers=tokens["user"])) == (
        403,
        -2004,
    )
    data = client.get(path, headers=tokens["user"]).json["data"]
    assert (data["role"], data["username"], data["name"]) == ("user", "user", None)


def test_an_app_has_no_profile_and_is_no_user(client, app, shop, clock, users) -> None:
    from tests.api.resources.test_apps import signed

    assert outcome(
        client.get("/api/v1/user/profile", headers=signed(clock, shop, "/api/v1/user/profile"))
    ) == (
        403,
        -2004,
    )
    path = f"/api/v1/users/{users['user']}"
    assert outcome(client.get(path, headers=signed(clock, shop, path))) == (404, -3004)


def test_a_new_role_ends_every_login_of_the_user_at_once(client, tokens, make, log_in) -> None:
    bob = make("bob", role="admin")
    pairs = [log_in("bob").json["data"] for _ in range(2)]
    demoted = client.patch(
        f"/api/v1/users/{bob['id']}", json={"role": "guest"}, headers=tokens["admin"]
    )

    assert demoted.json["data"]["role"] == "guest"
    for pair in pairs:
        headers = {"Authorization": f"Bearer {pair['access_token']}"}
        assert outcome(client.get("/api/v1/users", headers=headers)) == (401, -2003)
        refreshed = client.post(
            "/api/v1/token/refresh", json={"refresh_token": pair["refresh_token"]}
        )
        assert outcome(refreshed) == (401, -2003)
    assert client.get("/api/v1/users", headers=tokens["admin"]).status_code == 200


def test_a_deleted_users_token_is_refused(client, tokens, make, headers_of) -> None:
    bob = make("bob")
    headers = headers_of("bob")
    assert client.delete(f"/api/v1/users/{bob['id']}", headers=headers).status_code == 200

    assert outcome(client.get("/api/v1/user/profile", headers=headers)) == (401, -2003)


def test_ended_logins_stay_ended_over_a_restart(
    client, make_app, settings, tokens, make, headers_of
) -> None:
    bob = make("bob")
    headers = headers_of("bob")
    client.delete(f"/api/v1/users/{bob['id']}", headers=tokens["admin"])

    assert outcome(make_app(settings).test_client().get("/api/v1/products", headers=headers)) == (
        401,
        -2003,
    )


def test_a_change_that_touches_neither_role_nor_password_ends_no_login(
    client, tokens, users
) -> None:
    path = f"/api/v1/users/{users['user']}"
    assert (
        client.patch(path, json={"name": "x", "role": "user"}, headers=tokens["admin"]).status_code
        == 200
    )
    assert client.get(path, headers=tokens["user"]).status_code == 200


def test_ones_own_new_password_takes_the_current_one_and_ends_ones_logins(
    client, login, users, log_in
) -> None:
    path = f"/api/v1/users/{users['user']}"
    before = {"Authorization": f"Bearer {login()['access_token']}"}
    without = client.patch(path, json={"password": NEW}, headers=before)
    wrong = client.patch(path, json={"password": NEW, "current_password": "wrong"}, headers=before)
    right = client.patch(path, json={"password": NEW, "current_password": PASSWORD}, headers=before)

    assert outcome(without) == (400, -3003)
    assert set(without.json["error"]["fields"]) == {"current_password"}
    assert outcome(wrong) == (401, -2006)
    assert outcome(right) == (200, 0)
    assert "password" not in right.text
    assert outcome(client.get(path, headers=before)) == (401, -2003)
    assert log_in("user").status_code == 401
    assert log_in("user", NEW).status_code == 200


def test_guessing_the_current_password_locks_out(client, tokens, users) -> None:
    path = f"/api/v1/users/{users['user']}"
    guess = {"password": NEW, "current_password": "wrong"}
    for _ in range(10):
        assert outcome(client.patch(path, json=guess, headers=tokens["user"])) == (401, -2006)

    locked = client.patch(
        path, json={**guess, "current_password": PASSWORD}, headers=tokens["user"]
    )
    assert outcome(locked) == (429, -3008)
    assert "Retry-After" in locked.headers


def test_an_admin_gives_somebody_a_new_password_without_the_current_one(
    client, tokens, login, users, log_in
) -> None:
    path, before = (
        f"/api/v1/users/{users['user']}",
        {"Authorization": f"Bearer {login()['access_token']}"},
    )
    assert client.patch(path, json={"password": NEW}, headers=tokens["admin"]).status_code == 200
    assert outcome(client.get(path, headers=before)) == (401, -2003)
    assert log_in("user", NEW).status_code == 200


def test_one_current_password_makes_one_new_password(app, tokens, users) -> None:
    def change(number: int) -> int:
        body = {"password": f"new password {number}", "current_password": PASSWORD}
        path = f"/api/v1/users/{users['user']}"
        return app.test_client().patch(path, json=body, headers=tokens["user"]).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(change, range(4))) == [200, 401, 401, 401]


def test_a_login_with_a_password_that_is_changed_meanwhile_fails(
    client, app, tokens, users, monkeypatch
) -> None:
    """The old password was right when it was looked at."""

    def verify_and_lose(password_hash: str | None, password: str) -> bool:
        with app.extensions["postern"].database.write_session() as session:
            session.get(User, users["user"]).password_hash = "changed"
        return True

    monkeypatch.setattr(views, "verify_password", verify_and_lose)
    answer = client.post("/api/v1/login", json={"username": "user", "password": PASSWORD})
    assert outcome(answer) == (401, -2006)


def test_passwords_are_hashed_while_no_transaction_is_open(
    client, app, tokens, users, monkeypatch
) -> None:
    engine = app.extensions["postern"].database.engine
    opened: list[int] = []

    def watched(work: Any) -> Any:
        return lambda *args: (opened.append(engine.pool.checkedout()), work(*args))[1]

    for name in ("hash_password", "verify_password"):
        monkeypatch.setattr(users_api, name, watched(getattr(users_api, name)))
    client.post(
        "/api/v1/users", json={"username": "ann", "password": PASSWORD}, headers=tokens["admin"]
    )
    body = {"password": NEW, "current_password": PASSWORD}
    client.patch(f"/api/v1/users/{users['user']}", json=body, headers=tokens["user"])

    assert opened == [0, 0, 0]


def test_the_last_admin_is_neither_deleted_nor_demoted(client, tokens, users, make) -> None:
    path = f"/api/v1/users/{users['admin']}"

    assert outcome(client.patch(path, json={"role": "user"}, headers=tokens["admin"])) == (
        409,
        -3006,
    )
    assert outcome(client.delete(path, headers=tokens["admin"])) == (409, -3006)
    assert (
        client.patch(path, json={"role": "admin", "name": "x"}, headers=tokens["admin"]).status_code
        == 200
    )
    make("bob", role="admin")
    assert client.delete(path, headers=tokens["admin"]).status_code == 200


def test_of_admins_who_demote_each_other_at_the_same_time_one_is_left(
    app, client, tokens, users, make
) -> None:
    ids = [users["admin"], *(make(f"admin{number}", role="admin")["id"] for number in range(3))]

    def demote(user_id: int) -> int:
        path = f"/api/v1/users/{user_id}"
        return (
            app.test_client()
            .patch(path, json={"role": "user"}, headers=tokens["admin"])
            .status_code
        )

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(demote, ids))
    with app.extensions["postern"].database.write_session() as session:
        remaining = User.lock_admins(session)

    assert len(remaining) >= 1
    assert 500 not in done


def test_a_disabled_user_neither_logs_in_nor_goes_on_and_an_enabled_one_logs_in_again(
    client, tokens, make, log_in
) -> None:
    path = f"/api/v1/users/{make('bob')['id']}"
    pair = log_in("bob").json["data"]
    disabled = client.patch(path, json={"disabled": True}, headers=tokens["admin"])

    assert disabled.json["data"]["disabled"] is True
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert outcome(client.get(path, headers=headers)) == (401, -2003)
    refreshed = client.post("/api/v1/token/refresh", json={"refresh_token": pair["refresh_token"]})
    assert outcome(refreshed) == (401, -2003)
    wrong, right = log_in("bob", "wrong"), log_in("bob")
    assert outcome(right) == (401, -2006)
    assert right.json["message"] == wrong.json["message"]
    client.patch(path, json={"disabled": False}, headers=tokens["admin"])
    assert log_in("bob").status_code == 200
    assert outcome(client.get(path, headers=headers)) == (401, -2003)


def test_the_right_password_of_a_disabled_user_costs_one_hash_as_a_wrong_one_does(
    client, tokens, make, log_in, monkeypatch
) -> None:
    client.patch(
        f"/api/v1/users/{make('bob')['id']}", json={"disabled": True}, headers=tokens["admin"]
    )
    verified: list[bool] = []
    verify = views.verify_password

    def count(*args: Any) -> bool:
        verified.append(verify(*args))
        return verified[-1]

    monkeypatch.setattr(views, "verify_password", count)
    log_in("bob")
    log_in("bob", "wrong")
    assert verified == [True, False]


def test_a_login_of_a_user_who_is_disabled_meanwhile_fails(
    app, make, log_in, tokens, client, monkeypatch
) -> None:
    path = f"/api/v1/users/{make('bob')['id']}"
    verify = views.verify_password

    def disable_meanwhile(*args: Any) -> bool:
        app.test_client().patch(path, json={"disabled": True}, headers=tokens["admin"])
        return verify(*args)

    monkeypatch.setattr(views, "verify_password", disable_meanwhile)
    assert outcome(log_in("bob")) == (401, -2006)


def test_nobody_but_an_admin_disables_and_disabled_is_a_boolean(client, tokens, users) -> None:
    path = f"/api/v1/users/{users['user']}"
    assert outcome(client.patch(path, json={"disabled": True}, headers=tokens["user"])) == (
        403,
        -2004,
    )
    for value in ("yes", 1, None):
        wrong = client.patch(path, json={"disabled": value}, headers=tokens["admin"])
        assert set(wrong.json["error"]["fields"]) == {"disabled"}


def test_the_last_admin_who_can_log_in_is_not_disabled_demoted_or_deleted(
    client, tokens, users, make
) -> None:
    own = f"/api/v1/users/{users['admin']}"
    other = f"/api/v1/users/{make('bob', role='admin')['id']}"
    admin = tokens["admin"]

    assert client.patch(other, json={"disabled": True}, headers=admin).status_code == 200
    assert outcome(client.patch(own, json={"disabled": True}, headers=admin)) == (409, -3006)
    assert outcome(client.patch(own, json={"role": "user"}, headers=admin)) == (409, -3006)
    assert outcome(client.delete(own, headers=admin)) == (409, -3006)
    assert client.delete(other, headers=admin).status_code == 200  # it counts for none


def test_of_admins_who_disable_each_other_at_the_same_time_one_is_left(
    app, users, tokens, make
) -> None:
    ids = [users["admin"], *(make(f"admin{number}", role="admin")["id"] for number in range(3))]

    def disable(user_id: int) -> int:
        return (
            app.test_client()
            .patch(f"/api/v1/users/{user_id}", json={"disabled": True}, headers=tokens["admin"])
            .status_code
        )

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(disable, ids))
    with app.extensions["postern"].database.write_session() as session:
        assert len(User.lock_admins(session)) >= 1
    assert 500 not in done


def test_a_password_of_ones_own_ends_all_other_logins_and_keeps_this_one(
    client, login, users, log_in
) -> None:
    first, second = login(), login()
    body = {"current_password": PASSWORD, "new_password": NEW}
    headers = {"Authorization": f"Bearer {first['access_token']}"}
    done = client.post("/api/v1/user/password", json=body, headers=headers)

    assert outcome(done) == (200, 0)
    assert client.get("/api/v1/user/profile", headers=headers).status_code == 200
    others = {"Authorization": f"Bearer {second['access_token']}"}
    assert outcome(client.get("/api/v1/user/profile", headers=others)) == (401, -2003)
    for pair, status in ((second, 401), (first, 200)):
        refresh = {"refresh_token": pair["refresh_token"]}
        assert client.post("/api/v1/token/refresh", json=refresh).status_code == status
    assert log_in("user").status_code == 401
    assert log_in("user", NEW).status_code == 200


def test_a_new_password_takes_the_current_one_and_ten_guesses_lock_out(
    client, tokens, users
) -> None:
    def post(**body: str) -> Any:
        return client.post("/api/v1/user/password", json=body, headers=tokens["user"])

    assert set(post(new_password=NEW).json["error"]["fields"]) == {"current_password"}
    assert set(post(current_password=PASSWORD).json["error"]["fields"]) == {"new_password"}
    short = post(current_password=PASSWORD, new_password="short 7")
    assert set(short.json["error"]["fields"]) == {"new_password"}
    for _ in range(10):
        assert outcome(post(current_password="wrong", new_password=NEW)) == (401, -2006)
    assert outcome(post(current_password=PASSWORD, new_password=NEW)) == (429, -3008)


@pytest.mark.parametrize("by", ["admin", "user"])
def test_all_tokens_of_a_user_are_revoked_by_an_admin_or_the_user(
    client, tokens, users, login, log_in, by: str
) -> None:
    pairs = [login(), login()]
    path = f"/api/v1/users/{users['user']}"
    headers = tokens[by]

    assert outcome(client.post(f"{path}/revoke_tokens", headers=tokens["guest"])) == (404, -3004)
    assert outcome(client.post(f"{path}/revoke_tokens", headers=headers)) == (200, 0)
    for pair in pairs:
        bearer = {"Authorization": f"Bearer {pair['access_token']}"}
        assert outcome(client.get(path, headers=bearer)) == (401, -2003)
        refresh = {"refresh_token": pair["refresh_token"]}
        assert outcome(client.post("/api/v1/token/refresh", json=refresh)) == (401, -2003)
    assert log_in("user").status_code == 200


def test_an_app_has_no_password_to_change(client, shop, clock, users, app) -> None:
    secret = shop.encode()
    body = b'{"current_password": "a", "new_password": "long enough"}'
    target = "/api/v1/user/password"
    timestamp = str(int(clock.wall()))
    text = "\n".join(("POST", target, timestamp, "nonce-0001", hashlib.sha256(body).hexdigest()))
    headers = {
        "X-App-Id": "shop",
        "X-Timestamp": timestamp,
        "X-Nonce": "nonce-0001",
        "X-Signature": hmac.new(secret, text.encode(), hashlib.sha256).hexdigest(),
        "Content-Type": "application/json",
    }
    assert outcome(client.post(target, data=body, headers=headers)) == (403, -2004)


def test_a_user_with_orders_is_not_deleted_and_stays_logged_in(client, app, tokens, users) -> None:
    with app.extensions["postern"].database.write_session() as session:
        session.add(Order(user_id=users["user"], total=Decimal("1.00")))
    path = f"/api/v1/users/{users['user']}"

    assert outcome(client.delete(path, headers=tokens["admin"])) == (409, -3006)
    assert client.get(path, headers=tokens["user"]).status_code == 200


def test_a_read_that_has_not_changed_is_not_sent_again(client, tokens, users) -> None:
    for path in (f"/api/v1/users/{users['user']}", "/api/v1/user/profile"):
        etag = client.get(path, headers=tokens["user"]).headers["ETag"]
        assert (
            client.get(path, headers={**tokens["user"], "If-None-Match": etag}).status_code == 304
        )


def test_a_write_on_what_has_changed_is_refused(client, tokens, users) -> None:
    path = f"/api/v1/users/{users['user']}"
    stale = {
        **tokens["admin"],
        "If-Match": client.get(path, headers=tokens["admin"]).headers["ETag"],
    }

    assert client.patch(path, json={"age": 5}, headers=stale).status_code == 200
    assert outcome(client.patch(path, json={"age": 6}, headers=stale)) == (412, -3009)
    assert outcome(client.delete(path, headers=stale)) == (412, -3009)


def test_the_list_is_filtered_searched_and_sorted(client, tokens, users, make) -> None:
    make("ann", name="Zoë", email="z@example.org")
    make("bob", name="100%", role="guest")

    def names(query: str) -> list[str]:
        answer = client.get(f"/api/v1/users?{query}", headers=tokens["admin"])
        assert answer.status_code == 200, answer.text
        return [item["username"] for item in answer.json["data"]["items"]]

    assert names("") == ["guest", "user", "admin", "ann", "bob"]
    assert names("role=guest") == ["guest", "bob"]
    assert names("q=EXAMPLE.org") == ["ann"]
    assert names("q=%25") == ["bob"]
    assert names("q=Zo") == ["ann"]
    assert names("sort=-username&limit=2") == ["user", "guest"]
    assert names("sort=created_at&skip=3") == ["ann", "bob"]
    assert names(f"after={users['admin']}") == ["ann", "bob"]


@pytest.mark.parametrize(
    "query", ["role=root", "sort=password_hash", "q=", "q=%00", "limit=0", "age=5"]
)
def test_a_wrong_query_is_refused(client, tokens, query: str) -> None:
    assert outcome(client.get(f"/api/v1/users?{query}", headers=tokens["admin"])) == (400, -3003)


def test_the_list_is_csv_for_who_accepts_it_and_never_has_a_hash(client, tokens) -> None:
    with client.get("/api/v1/users", headers={**tokens["admin"], "Accept": "text/csv"}) as answer:
        lines = answer.text.splitlines()

    assert lines[0] == "id,username,name,age,email,role,created_at,disabled"
    assert [line.split(",")[1] for line in lines[1:]] == ["guest", "user", "admin"]
    assert "argon2" not in answer.text
    assert "argon2" not in client.get("/api/v1/users", headers=tokens["admin"]).text
