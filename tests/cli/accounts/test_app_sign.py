"""``flask app sign``: the signature that the server takes, and the mistake behind one that it does not."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from cli.accounts.signature_mistakes import MISTAKES, SigningRecipe
from config import Settings
from gateway.masking import Secret
from models import App

TARGET = "/api/v1/call/maps/geocode?q=%E5%8C%97&a=1"
BODY = '{"b":1,\n "a":"é"}\n'.encode()
SECRET = "c2VjcmV0LW9mLXRoZS1zaG9w"
STAMP, NONCE = "1700000000", "nonce-123456"
HEADERS = ["--timestamp", STAMP, "--nonce", NONCE]
Run = Callable[..., Result]


@pytest.fixture
def run(make_app: Callable[[Settings], Flask], settings: Settings) -> Run:
    """With the secret in the environment."""
    app = make_app(replace(settings, environ={"APP_SECRET": SECRET}))

    def invoke(*words: str, **options: object) -> Result:
        done = app.test_cli_runner().invoke(args=["app", "sign", *words], **options)
        assert SECRET not in done.output
        assert "Traceback" not in done.output
        return done

    return invoke


def recipe(target: str = TARGET, body: bytes = BODY) -> SigningRecipe:
    return SigningRecipe(
        SECRET.encode(), ("POST", target, STAMP, NONCE, hashlib.sha256(body).hexdigest()), body
    )


def headers_in(output: str) -> dict[str, str]:
    return dict(re.findall(r"^ +(X-[A-Za-z-]+): (\S+)$", output, re.M))


def test_what_it_says_to_send_is_taken_by_the_server(app: Flask, shop: str, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(BODY)
    done = app.test_cli_runner().invoke(
        args=[
            "app",
            "sign",
            "post",
            "/me?q=北 京",
            "--app",
            "shop",
            "--body",
            str(tmp_path / "body"),
        ]
    )
    assert done.exit_code == 0, done.output
    assert shop not in done.output
    sent = app.test_client().post(
        "/me?q=%E5%8C%97%20%E4%BA%AC", data=BODY, headers=headers_in(done.output)
    )
    assert (sent.status_code, sent.json["data"]["id"]) == (200, "app:shop")


def test_of_a_disabled_app_it_says_that_whatever_that_signs_is_refused(
    app: Flask, shop: str
) -> None:
    runner = app.test_cli_runner()
    assert runner.invoke(args=["app", "disable", "shop"]).exit_code == 0
    done = runner.invoke(args=["app", "sign", "GET", "/me", "--app", "shop"])
    assert (
        "note: shop is disabled, so what it signs is refused (-1002); try: flask app enable shop\n"
        in done.output
    )
    sent = app.test_client().get("/me", headers=headers_in(done.output))
    assert (sent.status_code, sent.json["code"]) == (401, -1002)


def test_it_shows_the_text_line_by_line_and_the_hash(run: Run) -> None:
    done = run("POST", TARGET, *HEADERS, "--body", "-", input=BODY)
    hashed = hashlib.sha256(BODY).hexdigest()
    text = "\n".join(("POST", TARGET, STAMP, NONCE, hashed))
    for line in text.split("\n"):
        assert f"     {line}    <- " in done.output
    assert (
        f"X-Signature: {hmac.new(SECRET.encode(), text.encode(), 'sha256').hexdigest()}\n"
        in done.output
    )
    assert f"({len(BODY)} bytes)" in done.output


def test_the_right_signature_is_right(run: Run) -> None:
    done = run(
        "POST", TARGET, *HEADERS, "--body", "-", "--signature", recipe().signature, input=BODY
    )
    assert done.exit_code == 0
    assert "is right." in done.output


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named(run: Run, mistake: str) -> None:
    right = recipe()._replace(url=f"https://postern.example{TARGET}")
    for wrong in (list(MISTAKES[mistake](right)) or [right])[::400]:
        done = run(
            "POST", right.url, *HEADERS, "--body", "-", "--signature", wrong.signature, input=BODY
        )
        assert done.exit_code == 1
        assert f"one gets with: {mistake}." in done.output


def test_two_mistakes_at_once_are_named(run: Run) -> None:
    first = next(iter(MISTAKES["the path without its query"](recipe())))
    wrong = next(iter(MISTAKES["the signature in upper-case hex"](first)))
    done = run("POST", TARGET, *HEADERS, "--body", "-", "--signature", wrong.signature, input=BODY)
    assert "with: the path without its query, and the signature in upper-case hex." in done.output


def test_milliseconds_in_the_header_are_told_twice(run: Run) -> None:
    done = run("POST", TARGET, "--timestamp", f"{STAMP}123", "--nonce", NONCE, "--body", "-", "--signature", recipe().signature, input=BODY)  # fmt: skip
    assert "note: X-Timestamp must be Unix time in seconds" in done.output
    assert "the timestamp in milliseconds in one place" in done.output


@pytest.mark.parametrize("signature", ["", "0" * 64, "é", "not one"])
def test_a_signature_that_comes_of_no_known_mistake_is_said_to_be_so(
    run: Run, signature: str
) -> None:
    done = run("GET", TARGET, *HEADERS, "--signature", signature)
    assert done.exit_code == 1
    assert "the secret is another" in done.output


@pytest.mark.parametrize("body", ['{"touser": "o6_bmjrPTlm6"}', "hello", "ab"])
def test_so_it_is_with_a_body(run: Run, body: str) -> None:
    done = run("POST", TARGET, *HEADERS, "--body", "-", "--signature", "0" * 64, input=body)
    assert done.exit_code == 1
    assert "none of the usual slips" in done.output


def test_white_space_around_it_is_told(run: Run) -> None:
    done = run(
        "POST",
        TARGET,
        *HEADERS,
        "--body",
        "-",
        "--signature",
        f"{recipe().signature}\n",
        input=BODY,
    )
    assert "white space" in done.output


def test_the_older_of_two_secrets_is_told(app: Flask, shop: str) -> None:
    secrets = app.extensions["postern.auth"].app_secrets
    with app.extensions["postern"].database.write_session() as session:
        stored = App.by_app_id(session, "shop")
        stored.previous_secret = stored.secret
        stored.secret = secrets.seal(Secret("another-secret-altogether"))
    old = recipe("/me", b"")._replace(secret=shop.encode()).signature
    done = app.test_cli_runner().invoke(args=["app", "sign", "POST", "/me", "--app", "shop", *HEADERS, "--signature", old])  # fmt: skip
    assert "is right, with the app's older secret" in done.output


def test_without_a_secret_anywhere_it_is_asked_for_and_not_shown(app: Flask) -> None:
    done = app.test_cli_runner().invoke(
        args=["app", "sign", "GET", "/me", *HEADERS], input=f"{SECRET}\n"
    )
    assert done.exit_code == 0, done.output
    assert SECRET not in done.output
    assert (
        recipe("/me", b"")._replace(lines=("GET", *recipe("/me", b"").lines[1:])).signature
        in done.output
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["GET", "me"], "must begin with /"),
        (["GET", "/me", "--app", "nobody"], "there is no app nobody"),
        (["GET", "/me", "--nonce", "short"], "8 to 64 characters"),
        (["GET", "/me", "--timestamp", STAMP], "-2005"),
        (["GET", "/me", "--body", "none.json"], "none.json"),
        (["GET", "/me", "--signature", "0" * 64], "needs both --timestamp and --nonce"),
        (["GET", "/me", "--signature", "0" * 64, "--nonce", NONCE], "needs both --timestamp"),
        (["GET", "/me", "--signature", "0" * 64, "--timestamp", STAMP], "needs both --timestamp"),
    ],
)
def test_what_the_server_would_refuse_is_said(run: Run, words: list[str], says: str) -> None:
    assert says in run(*words).output
