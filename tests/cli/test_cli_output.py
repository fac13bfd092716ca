"""What commands print for people and for scripts, and what <TAB> offers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unicodedata import east_asian_width

import click
import pytest
from click.testing import Result
from flask import Flask

from cli import LateCommand
from cli.output import color_json
from config import Settings
from sandbox import Sandbox
from tests.ports import free_port

Run = Callable[..., Result]
CATALOG = """
version: 1
services:
  maps:
    base_url: https://maps.example.com
    methods:
      geocode: {http: GET /geo, summary: 地址的坐标, params: {address: {type: string, required: true}, 城市: {type: string}}}
      weather: {http: GET /weather, summary: The weather, params: {city: {type: string}}}
  mail:
    base_url: https://mail.example.com
    methods: {send: {http: POST /send}}
"""


@pytest.fixture
def app(make_app: Callable[[Settings], Flask], settings: Settings, tmp_path: Path) -> Flask:
    file = tmp_path / "services.yaml"
    file.write_text(CATALOG, encoding="utf-8")
    return make_app(replace(settings, catalog=str(file)))


@pytest.fixture
def run(app: Flask) -> Run:
    return lambda *words, **options: app.test_cli_runner().invoke(args=list(words), **options)


def test_columns_stand_in_line_under_wide_letters(run: Run) -> None:
    lines = run("catalog", "show", "maps").stdout.splitlines()
    assert len(lines) == 3
    for line, summary in zip(lines, ("SUMMARY", "地址的坐标", "The weather"), strict=True):
        before = line[: line.index(summary)]
        assert sum(2 if east_asian_width(letter) in "WF" else 1 for letter in before) == 43


def test_a_catalog_is_shown_to_scripts(run: Run) -> None:
    methods = json.loads(run("catalog", "show", "maps", "--json").stdout)
    assert [method["method"] for method in methods] == ["geocode", "weather"]
    assert methods[0] == {
        "service": "maps", "method": "geocode", "http": "GET /geo", "summary": "地址的坐标",
        "params": [
            {"name": "address", "in": "query", "type": "string", "required": True},
            {"name": "城市", "in": "query", "type": "string", "required": False},
        ],
    }  # fmt: skip


def test_what_is_wrong_with_a_catalog_is_told_to_scripts(run: Run, tmp_path: Path) -> None:
    good = run("catalog", "check", "--json")
    assert good.exit_code == 0
    assert (
        json.loads(good.stdout).items()
        >= {"ok": True, "services": 2, "methods": 3, "notes": []}.items()
    )
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(CATALOG.replace("POST /send", "SEND /send"), encoding="utf-8")
    bad = run("catalog", "check", str(wrong), "--json")
    assert bad.exit_code == 1
    report = json.loads(bad.stdout)
    assert report["ok"] is False
    assert [(problem["line"], problem["key"]) for problem in report["problems"]] == [
        (11, "services.mail.methods.send.http")
    ]


def test_a_difference_is_told_to_scripts(run: Run, tmp_path: Path) -> None:
    assert json.loads(run("catalog", "diff", "--json").stdout) == {"same": True, "changes": []}
    other = tmp_path / "other.yaml"
    other.write_text(CATALOG.replace("send:", "post:"), encoding="utf-8")
    done = run("catalog", "diff", str(other), "--json")
    assert done.exit_code == 1
    changes = ["- method mail.send", "+ method mail.post"]
    assert json.loads(done.stdout) == {"same": False, "changes": changes}


def test_users_are_listed(run: Run) -> None:
    run("user", "create", "ann", "--role", "admin", "--password", "long enough")
    run("user", "create", "小明", "--password", "long enough")
    assert [line.split() for line in run("user", "list").stdout.splitlines()] == [
        ["ID", "USERNAME", "ROLE", "DISABLED", "NAME", "EMAIL"],
        ["1", "ann", "admin", "no", "-", "-"],
        ["2", "小明", "user", "no", "-", "-"],
    ]
    listed = run("user", "list", "--json").stdout
    assert json.loads(listed)[1] == {
        "id": 2,
        "username": "小明",
        "role": "user",
        "disabled": False,
        "name": None,
        "email": None,
    }
    assert "password" not in listed


def test_apps_are_listed_without_their_secrets(run: Run) -> None:
    run("app", "create", "shop", "--allow", "maps.*", "--allow", "mail", "--rate", "9/minute")
    run("app", "create", "bot", "--allow", "*")
    assert run("app", "list").stdout.splitlines() == [
        "APP_ID  ALLOW         RATE      DISABLED",
        "bot     *             -         no",
        "shop    maps.*, mail  9/minute  no",
    ]
    bot = {"app_id": "bot", "allow": ["*"], "rate": None, "disabled": False}
    assert json.loads(run("app", "list", "--json").stdout)[0] == bot


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("call ", ["maps", "mail"]),
        ("call ma", ["maps", "mail"]),
        ("call maps ", ["geocode", "weather"]),
        ("call maps w", ["weather"]),
        ("call nobody ", []),
        ("catalog show mai", ["mail"]),
        ("cache clear maps.", ["maps.geocode", "maps.weather"]),
        ("cache clear mai", ["mail", "mail.send"]),
        ("catalog d", ["diff"]),
        ("user create ann --role a", ["admin"]),
    ],
)
def test_tab_offers_what_there_is(
    app: Flask, tmp_path: Path, typed: str, offered: list[str]
) -> None:
    *words, last = f"flask {typed}".split(" ")
    env = {
        "_FLASK_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join([*words, last]),
        "COMP_CWORD": str(len(words)),
        "CATALOG": str(tmp_path / "services.yaml"),
    }
    done = app.test_cli_runner().invoke(env=env, args=[], prog_name="flask")
    assert [line.partition(",")[2] for line in done.stdout.split()] == offered


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("status=200", "is not Postern's"),
        ("status=403", "METRICS_ALLOW"),
        ("reset", "cannot be reached"),
    ],
)
def test_top_says_why_there_is_nothing_to_show(run: Run, fault: str, message: str) -> None:
    with Sandbox(port=free_port()) as box:
        box.fault("/metrics", fault)
        done = run("top", "--once", "--url", box.url)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"Error: {box.url}")
    assert message in done.stderr


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://there", "http://", "http://there:port", "http://[there"]
)
def test_top_wants_the_url_of_a_server(run: Run, url: str) -> None:
    done = run("top", "--once", "--url", url)
    assert done.exit_code == 2
    assert "must be http://HOST:PORT" in done.stderr


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    for name, entry in group.commands.items():
        command = entry.load() if isinstance(entry, LateCommand) else entry
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def test_every_command_says_what_it_does_and_what_its_options_mean(app: Flask, run: Run) -> None:
    all_commands = list(commands(app.cli))
    assert len(all_commands) > 10
    for path, command in all_commands:
        assert command.help, path
        named = [option for option in command.params if isinstance(option, click.Option)]
        assert all(option.help for option in named), f"{path}: an option has no help"
        assert run(*path, "--help").exit_code == 0
        assert run(*path, "--no-such-option").exit_code == 2


def test_coloured_json_is_the_same_json() -> None:
    text = '{\n  "a\\"b": ["x: 1", -1.5e+3, true, null]\n}'
    colored = color_json(text)
    assert click.unstyle(colored) == text
    assert colored.count("\x1b[34m") == 1
    assert colored.count("\x1b[32m") == 1
    assert colored.count("\x1b[33m") == 3
