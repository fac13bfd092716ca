"""``postern doctor``: what is amiss, and what to do about it."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installation import Installation
from tests.gateway.fakes import Wire, answer
from tests.ports import free_port

Findings = list[dict[str, str]]


@pytest.fixture
def fresh(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def catalog(fresh: Installation, base_url: str, **more: Any) -> None:
    service = {
        "base_url": base_url,
        "allow_private": True,
        "methods": {"get": {"http": "GET /"}},
        **more,
    }
    document = {"version": 1, "services": {"shop": service}}
    (fresh.root / "services.yaml").write_text(json.dumps(document))


def findings(fresh: Installation, **env: str) -> tuple[int, Findings]:
    done = fresh.run("doctor", "--json", **({"PORT": "0"} | env))
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def of(lines: Findings, check: str) -> list[tuple[str, str, str]]:
    return [
        (line["level"], line["message"], line["todo"]) for line in lines if line["check"] == check
    ]


def say(date: str) -> bytes:
    return f"HTTP/1.1 404 Not Found\r\nDate: {date}\r\nContent-Length: 0\r\n\r\n".encode()


def test_what_is_well_is_ok(fresh: Installation) -> None:
    fresh.run("db", "upgrade")
    with Wire([answer(b"")]) as vendor:
        catalog(fresh, vendor.url)
        code, lines = findings(fresh)
    assert {line["level"] for line in lines} == {"ok"}, lines
    assert code == 0
    assert vendor.heard[0].startswith(b"HEAD / HTTP/1.1\r\n")
    assert {
        "settings",
        "port",
        "database",
        "Redis",
        "egress proxy",
        "catalog",
        "shop",
    } <= {line["check"] for line in lines}


def test_each_problem_says_what_to_do(fresh: Installation) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        port = listener.getsockname()[1]
        catalog(fresh, "http://nobody.invalid")
        code, lines = findings(
            fresh, PORT=str(port), REDIS_URL="redis://:hidden-word@127.0.0.1:1/0", JWT_SECERT="x"
        )
    assert code == 1
    assert all(line["todo"] for line in lines if line["level"] != "ok")
    assert of(lines, "port")[0][0] == "problem"
    assert of(lines, "database") == [("problem", "has no tables", "run: postern db upgrade")]
    assert of(lines, "Redis")[0][0] == "problem"
    assert of(lines, "JWT_SECERT")[0][:2] == ("warning", "is no setting; did you mean JWT_SECRET?")
    assert "has no address" in of(lines, "shop")[0][1]
    assert "hidden-word" not in json.dumps(lines)


def test_a_wrong_setting_is_a_line_as_any(fresh: Installation) -> None:
    code, lines = findings(fresh, PORT="none", ENV="test")
    assert code == 1
    assert [line["check"] for line in lines] == ["ENV", "PORT"]


def test_a_variable_that_is_not_set_is_told_by_line_and_name(fresh: Installation) -> None:
    catalog(fresh, "http://127.0.0.1:1", auth={"type": "bearer", "token": "${SHOP_TOKEN}"})
    code, lines = findings(fresh)
    ((level, message, todo),) = of(lines, "catalog")
    assert (code, level) == (1, "problem")
    assert "SHOP_TOKEN" in message
    assert ".env" in todo


def test_a_clock_that_is_off_is_seen_by_a_vendors(fresh: Installation) -> None:
    with Wire([say("Sat, 01 Jan 2022 00:00:00 GMT")]) as vendor:
        catalog(fresh, vendor.url)
        _, lines = findings(fresh)
    ((level, message, todo),) = of(lines, "clock")
    assert (level, "behind" in message, "NTP" in todo) == ("problem", True, True)


def test_a_private_address_that_calls_are_refused_to_is_told(fresh: Installation) -> None:
    catalog(fresh, "http://localhost:1", allow_private=False)
    _, lines = findings(fresh)
    ((level, message, todo),) = of(lines, "shop")
    assert (level, "private address" in message) == ("problem", True)
    assert "allow_private: true" in todo


def test_people_read_a_line_for_each_and_a_total(fresh: Installation) -> None:
    catalog(fresh, "http://127.0.0.1:1")
    done = fresh.run("doctor", "--offline", PORT="0")
    assert "problem  database: has no tables\n         -> run: postern db upgrade\n" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("1 problem, ")
    assert "shop" not in done.stdout


def test_secrets_that_no_key_opens_are_told_with_whose_they_are(fresh: Installation) -> None:
    fresh.run("db", "upgrade")
    keys = ("a key for secrets, 32 bytes or more", "another key for it, 32 bytes or more")
    made = fresh.run("app", "create", "shop", "--allow", "maps", SECRETS_KEY=keys[0])
    assert made.returncode == 0, made.stderr

    def told(key: str) -> list[list[str]]:
        done = fresh.run("doctor", "--offline", "--json", PORT="0", SECRETS_KEY=key)
        return [
            [line["level"], line["message"], line["todo"]]
            for line in json.loads(done.stdout)
            if line["check"] == "secrets"
        ]

    assert told(keys[0]) == [["ok", "a key opens every one that is sealed", ""]]
    (lost,) = told(keys[1])
    assert lost == [
        "problem",
        "no key opens those of these apps, so they cannot sign: shop",
        "put the key that sealed them into SECRETS_PREVIOUS_KEYS, or give each a new secret:"
        " postern app rotate APPID",
    ]
