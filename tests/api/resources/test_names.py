"""User names and passwords are the same however they were typed (RFC 8265)."""

from __future__ import annotations

from typing import Any
from unicodedata import normalize

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.auth import passwords
from api.auth.passwords import hash_password
from models import User
from tests.api.conftest import PASSWORD

COMPOSED = "Jos\u00e9"
DECOMPOSED = normalize("NFD", COMPOSED)
UNSEEN = {
    "a space before": " admin",
    "a space behind": "admin ",
    "a full-width space behind": "admin\u3000",
    "a no-break space": "ad\u00a0min",
    "zero width": "ad\u200bmin",
    "a joiner": "ad\u200dmin",
    "the other way round": "\u202enimda",
    "a byte order mark": "\ufeffadmin",
    "a soft hyphen": "ad\u00admin",
    "a Hangul filler": "admin\u3164",
    "a narrow Hangul filler": "admin\uffa0",
    "a variation selector": "admin\ufe0f",
    "a grapheme joiner": "ad\u034fmin",
    "an empty Braille cell": "admin\u2800",
    "a tag": "admin\U000e0041",
    "a line end": "admin\n",
    "a control": "ad\x85min",
    "private use": "admin\ue000",
    "unassigned": "admin\u0378",
    "a line separator": "ad\u2028min",
}


def log_in(client: FlaskClient, username: str, password: str = PASSWORD) -> int:
    return client.post(
        "/api/v1/login", json={"username": username, "password": password}
    ).status_code


def create(
    client: FlaskClient, headers: dict[str, str], username: str, password: str = PASSWORD
) -> Any:
    return client.post(
        "/api/v1/users", json={"username": username, "password": password}, headers=headers
    )


@pytest.mark.parametrize("name", UNSEEN)
def test_a_name_with_what_nobody_sees_is_refused_by_name(
    app: Flask,
    client: FlaskClient,
    tokens: dict[str, dict[str, str]],
    users: dict[str, int],
    name: str,
) -> None:
    username = UNSEEN[name]
    answers = [
        create(client, tokens["admin"], username),
        client.patch(
            f"/api/v1/users/{users['user']}", json={"username": username}, headers=tokens["admin"]
        ),
        client.post("/api/v1/login", json={"username": username, "password": PASSWORD}),
    ]
    for answer in answers:
        assert (answer.status_code, set(answer.json["error"]["fields"])) == (400, {"username"})
    done = app.test_cli_runner().invoke(args=["user", "create", username, "--password", PASSWORD])
    assert done.exit_code == 2
    assert "Must not" in done.output


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (COMPOSED, DECOMPOSED),
        (DECOMPOSED, COMPOSED),
        ("ann", "\uff41\uff4e\uff4e"),
        ("\u30ab\u30ca", "\uff76\uff85"),
        ("\uac00", "\u1100\u1161"),
    ],
)
def test_a_name_typed_in_two_ways_is_one_user(
    client: FlaskClient, tokens: dict[str, dict[str, str]], one: str, other: str
) -> None:
    user = create(client, tokens["admin"], one)
    second = create(client, tokens["admin"], other)

    assert user.json["data"]["username"] == normalize("NFC", normalize("NFKC", one))
    assert (second.status_code, second.json["error"]["fields"]) == (
        409,
        {"username": ["There is one already."]},
    )
    assert (log_in(client, one), log_in(client, other)) == (200, 200)


def test_the_command_line_makes_the_same_user(app: Flask, client: FlaskClient) -> None:
    run = app.test_cli_runner().invoke
    assert run(args=["user", "create", DECOMPOSED, "--password", PASSWORD]).exit_code == 0
    second = run(args=["user", "create", COMPOSED, "--password", PASSWORD])
    assert (second.exit_code, "already" in second.output) == (1, True)
    assert log_in(client, COMPOSED) == 200


@pytest.mark.parametrize(
    "username",
    [
        "Ann Lee",
        "ann.lee@example.com",
        "\u0645\u062d\u0645\u062f",
        "\u5b89",
        "Stra\u00dfe",
        "o'neill",
    ],
)
def test_other_names_are_taken_as_they_are(
    client: FlaskClient, tokens: dict[str, dict[str, str]], username: str
) -> None:
    assert create(client, tokens["admin"], username).json["data"]["username"] == username
    assert log_in(client, username) == 200


def test_case_tells_users_apart(client: FlaskClient, tokens: dict[str, dict[str, str]]) -> None:
    assert create(client, tokens["admin"], "Admin").status_code == 201


@pytest.mark.parametrize(
    ("password", "typed"),
    [
        ("p\u00e4ssw\u00f6rd!", normalize("NFD", "p\u00e4ssw\u00f6rd!")),
        (normalize("NFD", "p\u00e4ssw\u00f6rd!"), "p\u00e4ssw\u00f6rd!"),
        ("correct horse", "correct\u00a0horse"),
        ("correct\u3000horse", "correct horse"),
    ],
)
def test_a_password_fits_however_it_is_typed(
    client: FlaskClient, tokens: dict[str, dict[str, str]], password: str, typed: str
) -> None:
    create(client, tokens["admin"], "ann", password)
    assert (log_in(client, "ann", typed), log_in(client, "ann", typed.upper())) == (200, 401)


def test_who_was_made_by_an_older_version_still_logs_in(
    app: Flask, client: FlaskClient, tokens: dict[str, dict[str, str]]
) -> None:
    password = normalize("NFD", "p\u00e4ssw\u00f6rd!")
    with app.extensions["postern"].database.write_session() as session:
        session.add(
            User(username=DECOMPOSED, role="user", password_hash=passwords._hasher.hash(password))
        )

    assert (log_in(client, DECOMPOSED, password), log_in(client, COMPOSED, password)) == (200, 200)
    assert create(client, tokens["admin"], COMPOSED).status_code == 409
    with app.extensions["postern"].database.read_session() as session:
        number = User.by_username(session, COMPOSED).id
    anew = client.patch(
        f"/api/v1/users/{number}", json={"username": DECOMPOSED}, headers=tokens["admin"]
    )
    assert anew.json["data"]["username"] == COMPOSED


def test_nobody_costs_what_somebody_does_whatever_the_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[str] = []
    monkeypatch.setattr(
        passwords, "_matches", lambda password_hash, password: bool(tried.append(password_hash))
    )
    for password_hash in (None, hash_password("x")):
        passwords.verify_password(password_hash, normalize("NFD", "p\u00e4ssword"))
    assert len(tried) == 4
