"""Bearer tokens at the door."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from flask import Flask
from flask.testing import FlaskClient

from config import Settings, SettingsError
from gateway.masking import Secret
from tests.clock import FakeClock

SECRET = "0123456789abcdef0123456789abcdef"
ANOTHER = "another secret of 32 bytes or more"


def me(client: FlaskClient, token: str) -> Any:
    return client.get("/me", headers={"Authorization": f"Bearer {token}"})


def refused(answer: Any) -> tuple[int, int]:
    assert answer.json["error"]["source"] == "caller"
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    return answer.status_code, answer.json["code"]


@pytest.fixture
def claims(clock: FakeClock) -> dict[str, Any]:
    now = int(clock.wall())
    return {
        "sub": "7", "role": "user", "iat": now, "nbf": now, "exp": now + 900,
        "jti": "j", "iss": "postern", "aud": "postern",
    }  # fmt: skip


def signed(claims: dict[str, Any], key: str = SECRET) -> str:
    return jwt.encode(claims, key, "HS256")


def test_a_token_says_who_calls_and_in_what_role(
    client: FlaskClient, claims: dict[str, Any]
) -> None:
    assert me(client, signed(claims)).json["data"] == {
        "id": "user:7",
        "role": "user",
        "allow": ["*"],
        "body": "",
    }


def test_nothing_to_show_is_unauthenticated(client: FlaskClient) -> None:
    assert refused(client.get("/me")) == (401, -2001)
    for header in ("Bearer", "Bearer ", "Basic dTpw", "nonsense"):
        assert refused(client.get("/me", headers={"Authorization": header})) == (401, -2001)


@pytest.mark.parametrize("text", ["x", "a.b.c", "é.é.é", "...", "x" * 5000])
def test_what_is_no_token_is_invalid(client: FlaskClient, text: str) -> None:
    assert refused(me(client, text)) == (401, -2003)


def test_the_scheme_may_be_written_in_any_case(client: FlaskClient, claims: dict[str, Any]) -> None:
    assert (
        client.get("/me", headers={"Authorization": f"bearer {signed(claims)}"}).status_code == 200
    )


def test_the_token_may_come_in_a_header_of_its_own(
    client: FlaskClient, claims: dict[str, Any]
) -> None:
    headers = {"X-Postern-Token": signed(claims), "Authorization": "Bearer the-vendors-own"}
    assert client.get("/me", headers=headers).json["data"]["id"] == "user:7"


def test_a_bad_token_in_the_header_of_its_own_is_not_made_up_for_by_a_good_one(
    client: FlaskClient, claims: dict[str, Any]
) -> None:
    headers = {"X-Postern-Token": "bad", "Authorization": f"Bearer {signed(claims)}"}
    assert refused(client.get("/me", headers=headers)) == (401, -2003)


@pytest.mark.parametrize("missing", ["sub", "role", "iat", "nbf", "exp", "jti", "iss", "aud"])
def test_every_claim_is_needed(client: FlaskClient, claims: dict[str, Any], missing: str) -> None:
    del claims[missing]
    assert refused(me(client, signed(claims))) == (401, -2003)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("iss", "somebody"), ("aud", "somebody"), ("role", "root"), ("role", ["admin"]), ("sub", 7), ("jti", 7),
        ("exp", "soon"), ("exp", True), ("iat", None), ("nbf", {}),
    ],
)  # fmt: skip
def test_every_claim_is_checked(
    client: FlaskClient, claims: dict[str, Any], claim: str, value: object
) -> None:
    raw = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256", "typ": "JWT"}, {**claims, claim: value})
    )
    hs256 = jwt.get_algorithm_by_name("HS256")
    signature = base64.urlsafe_b64encode(hs256.sign(raw, SECRET.encode())).rstrip(b"=")
    assert refused(me(client, f"{raw.decode()}.{signature.decode()}")) == (401, -2003)


def test_a_token_ends_at_its_very_second_though_it_was_verified_before(
    client: FlaskClient, claims: dict[str, Any], clock: FakeClock
) -> None:
    token = signed(claims)
    clock.advance(899.9)
    assert me(client, token).status_code == 200
    clock.advance(0.1)
    assert refused(me(client, token)) == (401, -2002)


@pytest.mark.parametrize("claim", ["iat", "nbf"])
def test_a_token_of_a_clock_a_little_ahead_is_taken_one_of_the_future_is_not(
    client: FlaskClient, claims: dict[str, Any], claim: str
) -> None:
    claims[claim] += 10
    assert me(client, signed(claims)).status_code == 200
    claims[claim] += 1
    assert refused(me(client, signed(claims))) == (401, -2003)


def test_an_unsigned_token_is_invalid(client: FlaskClient, claims: dict[str, Any]) -> None:
    assert refused(me(client, jwt.encode(claims, None, "none"))) == (401, -2003)


def test_a_token_signed_with_another_key_or_algorithm_is_invalid(
    client: FlaskClient, claims: dict[str, Any]
) -> None:
    assert refused(me(client, signed(claims, ANOTHER))) == (401, -2003)
    assert refused(me(client, jwt.encode(claims, SECRET * 2, "HS512"))) == (401, -2003)
    assert refused(me(client, jwt.encode(claims, SECRET, "HS256", {"kid": "unknown"}))) == (
        401,
        -2003,
    )


def test_a_token_changed_in_one_letter_is_invalid(
    client: FlaskClient, claims: dict[str, Any]
) -> None:
    head, _, signature = signed(claims).split(".")
    admin = signed({**claims, "role": "admin"}, ANOTHER).split(".")[1]
    assert refused(me(client, f"{head}.{admin}.{signature}")) == (401, -2003)


def test_a_verified_token_is_not_decoded_again(
    client: FlaskClient, claims: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    token = signed(claims)
    assert me(client, token).status_code == 200
    monkeypatch.setattr(jwt, "decode", lambda *_, **__: pytest.fail("decoded again"))
    assert me(client, token).status_code == 200


def test_roles_are_told_apart(client: FlaskClient, claims: dict[str, Any]) -> None:
    def status(verb: str, path: str, role: str) -> int:
        token = signed({**claims, "role": role})
        answer = client.open(path, method=verb, headers={"Authorization": f"Bearer {token}"})
        assert answer.json["code"] in (0, -2004)
        return answer.status_code

    assert [status("GET", "/me", role) for role in ("guest", "user", "admin")] == [200, 200, 200]
    assert [status("POST", "/write", role) for role in ("guest", "user", "admin")] == [
        403,
        200,
        200,
    ]
    assert [status("GET", "/admin", role) for role in ("guest", "user", "admin")] == [403, 403, 200]


def test_a_changed_secret_still_takes_the_tokens_of_the_previous_one(
    make_app: Callable[[Settings], Flask], settings: Settings, login: Callable[..., dict[str, Any]]
) -> None:
    token = login()["access_token"]
    assert "kid" in jwt.get_unverified_header(token)
    changed = replace(settings, jwt_secret=Secret(ANOTHER), jwt_previous_secrets=(Secret(SECRET),))
    assert me(make_app(changed).test_client(), token).status_code == 200
    forgotten = replace(settings, jwt_secret=Secret(ANOTHER))
    assert refused(me(make_app(forgotten).test_client(), token)) == (401, -2003)


def key_files(folder: Path, name: str, key: Any) -> tuple[str, str]:
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    return str(private), str(public)


KEYS: dict[str, Callable[[], Any]] = {
    "RS256": lambda: rsa.generate_private_key(65537, 2048),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_key_pair_may_sign_and_be_changed(
    make_app: Callable[[Settings], Flask], settings: Settings, tmp_path: Path, algorithm: str
) -> None:
    old, old_public = key_files(tmp_path, "old", KEYS[algorithm]())
    new, _ = key_files(tmp_path, "new", KEYS[algorithm]())
    before = replace(settings, jwt_algorithm=algorithm, jwt_private_key_file=old)
    token, _ = make_app(before).extensions["postern.auth"].tokens.issue("7", "user")
    assert jwt.get_unverified_header(token)["alg"] == algorithm

    during = replace(before, jwt_private_key_file=new, jwt_public_key_files=(old_public,))
    assert me(make_app(during).test_client(), token).status_code == 200
    after = replace(before, jwt_private_key_file=new)
    assert refused(me(make_app(after).test_client(), token)) == (401, -2003)


def test_a_public_key_is_no_secret_to_sign_with(
    make_app: Callable[[Settings], Flask],
    settings: Settings,
    tmp_path: Path,
    claims: dict[str, Any],
) -> None:
    private, public = key_files(tmp_path, "key", KEYS["RS256"]())
    client = make_app(
        replace(settings, jwt_algorithm="RS256", jwt_private_key_file=private)
    ).test_client()
    hs256 = jwt.get_algorithm_by_name("HS256")
    raw = b".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=")
        for part in ({"alg": "HS256"}, claims)
    )
    signature = base64.urlsafe_b64encode(hs256.sign(raw, Path(public).read_bytes())).rstrip(b"=")
    assert refused(me(client, f"{raw.decode()}.{signature.decode()}")) == (401, -2003)


def test_a_key_file_of_another_kind_stops_the_start(
    make_app: Callable[[Settings], Flask], settings: Settings, tmp_path: Path
) -> None:
    private, _ = key_files(tmp_path, "key", KEYS["EdDSA"]())
    with pytest.raises(SettingsError, match="JWT_PRIVATE_KEY_FILE"):
        make_app(replace(settings, jwt_algorithm="RS256", jwt_private_key_file=private))
    (tmp_path / "junk").write_text("junk")
    with pytest.raises(SettingsError, match="JWT_PRIVATE_KEY_FILE"):
        make_app(
            replace(settings, jwt_algorithm="EdDSA", jwt_private_key_file=str(tmp_path / "junk"))
        )


@pytest.mark.parametrize(
    "subject",
    [
        "",
        "abc",
        "1.0",
        "1" * 40,
        "2147483648",
        "\ud800",
        " 1",
        "1 ",
        "01",
        "0",
        "-1",
        "+1",
        "1_0",
        "\uff11",
        "\u0661",
        "1\n",
    ],
)
def test_a_signed_token_whose_subject_is_no_users_id_is_invalid(
    client: FlaskClient, users: dict[str, int], claims: dict[str, Any], subject: str
) -> None:
    headers = {"Authorization": f"Bearer {signed({**claims, 'sub': subject})}"}
    assert refused(client.get("/api/v1/user/profile", headers=headers)) == (401, -2003)


def _signed_as_written(claims: dict[str, Any], name: str, value: str) -> str:
    """With a number that Python would not write."""
    body = json.dumps({**claims, name: "@"}).replace('"@"', value).encode()
    return jwt.api_jws.encode(body, SECRET, "HS256", {"typ": "JWT"})


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value",
    ["1e999", "-1e999", "NaN", "Infinity", "1" + "0" * 400, "true", '"1"', "null", "[]", "1e300"],
)
def test_a_signed_token_whose_times_are_no_finite_numbers_is_invalid(
    client: FlaskClient, claims: dict[str, Any], name: str, value: str
) -> None:
    assert refused(me(client, _signed_as_written(claims, name, value))) == (401, -2003)


@pytest.mark.parametrize("jti", ["", "\ud800", "a\0b", "x" * 65])
def test_a_signed_token_whose_id_cannot_be_stored_is_invalid(
    client: FlaskClient, claims: dict[str, Any], jti: str
) -> None:
    headers = {"Authorization": f"Bearer {signed({**claims, 'jti': jti})}"}
    assert refused(client.post("/api/v1/logout", headers=headers)) == (401, -2003)
