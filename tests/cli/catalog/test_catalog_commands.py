"""``flask catalog check|diff`` and what ``/readyz`` says, with a catalog in a file and one in Consul."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from config import Settings
from gateway.catalog.loader import CatalogError
from gateway.sources.last_good import LastGood
from sandbox.vendors.registries.consul import Consul
from tests.ports import free_port

Make = Callable[..., Flask]
OLD = """\
version: 1
services:
  shop:
    base_url: http://a.example
    auth: {type: bearer, token: "${TOKEN}"}
    timeout: {read: 5}
    methods:
      find: {http: GET /find, params: {q: {type: string, maxLength: 20}}}
      buy: {http: POST /buy}
  maps: {base_url: http://b.example}
"""
NEW = """\
version: 1
defaults: {deadline: 5}
services:
  shop:
    base_url: http://a.example
    auth: {type: bearer, token: brand-new-token}
    headers: {X-Key: abc}
    methods:
      find: {http: GET /find, summary: Find with brand-new-token, params: {q: {type: string, maxLength: 40}}}
      sell: {http: POST /sell}
  news: {base_url: http://c.example}
"""
DIFFERENCE = """\
~ defaults
    deadline: (none) -> 5
~ service shop
    auth.token: **** -> ****
    timeout: {"read": 5} -> (none)
    headers: (none) -> ****
~ method shop.find
    params.q.maxLength: 20 -> 40
    summary: (none) -> "Find with ****"
- method shop.buy
- service maps
+ method shop.sell
+ service news
"""
WRONG = "version: 1\nservices: {shop: {base_ulr: x}}\n"


@pytest.fixture
def consul() -> Iterator[Consul]:
    with Consul(port=free_port()) as running:
        running.put("postern", OLD)
        yield running


@pytest.fixture
def in_file(settings: Settings, tmp_path: Path) -> Settings:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    copy = str(tmp_path / "last.yaml")
    return replace(
        settings,
        catalog=str(tmp_path / "old.yaml"),
        catalog_copy=copy,
        environ={"TOKEN": "the-old-token-1"},
    )


@pytest.fixture
def in_consul(in_file: Settings, consul: Consul) -> Settings:
    return replace(in_file, catalog=consul.url("postern", "token=t-42-secret"))


def run(app: Flask, *words: str) -> Result:
    return app.test_cli_runner().invoke(args=["catalog", *words])


def served(settings: Settings, text: str) -> None:
    """A worker has served this, and kept its copy."""
    LastGood(Path(settings.catalog_copy), settings.catalog.partition("?")[0]).write(text)


def test_diff_says_what_another_file_would_change(
    make_app: Make, in_file: Settings, tmp_path: Path
) -> None:
    done = run(make_app(in_file), "diff", str(tmp_path / "new.yaml"))
    assert (done.output, done.exit_code) == (DIFFERENCE, 1)


def test_diff_hides_an_auth_that_comes_as_a_whole(
    make_app: Make, in_file: Settings, tmp_path: Path
) -> None:
    head = "version: 1\nservices: {shop: {base_url: 'http://a.example'"
    Path(in_file.catalog).write_text(head + "}}")
    (tmp_path / "new.yaml").write_text(head + ", auth: {type: bearer, token: t-1}}}")
    done = run(make_app(in_file), "diff", str(tmp_path / "new.yaml"))
    assert "    auth: (none) -> ****\n" in done.output


def test_diff_shows_no_part_of_a_secret_that_is_longer_than_what_it_prints(
    make_app: Make, in_file: Settings, tmp_path: Path
) -> None:
    password = "hunter2-" * 12
    text = f"{OLD}    egress_proxy: http://ann:{password}@proxy.example:3128\n"
    (tmp_path / "new.yaml").write_text(text.replace("  maps: {base_url: http://b.example}\n", ""))
    done = run(make_app(in_file), "diff", str(tmp_path / "new.yaml"))
    assert 'egress_proxy: (none) -> "http://ann:****@proxy.example:3128"' in done.output


def test_diff_of_the_same_says_nothing(make_app: Make, in_file: Settings) -> None:
    app = make_app(in_file)
    for words in (["diff"], ["diff", in_file.catalog]):
        done = run(app, *words)
        assert (done.output, done.exit_code) == ("", 0)


@pytest.mark.parametrize(
    ("name", "says"),
    [("wrong.yaml", "wrong.yaml:2: services.shop.base_ulr"), ("none.yaml", "cannot be read")],
)
def test_diff_with_what_is_no_catalog_is_trouble(
    make_app: Make, in_file: Settings, tmp_path: Path, name: str, says: str
) -> None:
    (tmp_path / "wrong.yaml").write_text(WRONG)
    done = run(make_app(in_file), "diff", str(tmp_path / name))
    assert done.exit_code == 2
    assert says in done.output


def test_diff_says_what_the_source_has_and_the_workers_do_not(
    make_app: Make, in_consul: Settings, consul: Consul
) -> None:
    served(in_consul, OLD)
    consul.put("postern", NEW)
    done = run(make_app(in_consul), "diff")
    assert (done.output, done.exit_code) == (DIFFERENCE, 1)


def test_check_reads_from_consul_and_says_what_is_wrong_there(
    make_app: Make, in_consul: Settings, consul: Consul
) -> None:
    name = consul.url("postern")
    note, summary = run(make_app(in_consul), "check").output.splitlines()
    assert note.startswith(f"{name}:10: note: services.maps: has no methods")
    assert summary == f"{name}: ok, 2 services, 2 methods"
    served(in_consul, OLD)
    consul.put("postern", WRONG)
    app = make_app(in_consul)
    done = run(app, "check")
    assert done.exit_code == 1
    assert f"{name}:2: services.shop.base_ulr: unknown key" in done.output
    done = run(app, "diff")
    assert done.exit_code == 2
    assert "t-42-secret" not in done.output


def test_a_command_leaves_the_workers_copy_alone(make_app: Make, in_consul: Settings) -> None:
    make_app(in_consul)
    assert not Path(in_consul.catalog_copy).exists()


@pytest.fixture(params=["wrong", "absent"])
def stray(
    request: pytest.FixtureRequest, make_app: Make, in_file: Settings, tmp_path: Path
) -> Flask:
    """As the flask command has it, with no good catalog."""
    if request.param == "wrong":
        (tmp_path / "stray.yaml").write_text(WRONG)
    return make_app(replace(in_file, catalog=str(tmp_path / "stray.yaml")), serves=False)


def test_without_a_catalog_commands_work_that_need_none(stray: Flask, tmp_path: Path) -> None:
    runner = stray.test_cli_runner()
    for words in (
        ["user", "list"],
        ["app", "list"],
        ["db", "current"],
        ["catalog", "check", str(tmp_path / "new.yaml")],
    ):
        assert runner.invoke(args=words).exit_code == 0
    done = run(stray, "check", "--json")
    report = json.loads(done.stdout)
    assert (done.exit_code, report["ok"], report["name"]) == (
        1,
        False,
        str(tmp_path / "stray.yaml"),
    )
    assert report["problems"]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("call shop find", 1),
        ("call shop find --dry-run", 1),
        ("catalog check", 1),
        ("catalog show --json", 1),
        ("catalog diff new.yaml", 2),
        ("cache clear shop", 1),
        ("openapi", 1),
    ],
)
def test_without_a_catalog_commands_that_need_one_say_what_is_wrong_with_it(
    stray: Flask, tmp_path: Path, words: str, code: int
) -> None:
    done = stray.test_cli_runner().invoke(
        args=words.replace("new.yaml", str(tmp_path / "new.yaml")).split()
    )
    assert (done.stdout, done.exit_code) == ("", code)
    assert f"\n{tmp_path / 'stray.yaml'}:" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_command_logs_to_standard_error(
    make_app: Make, in_consul: Settings, consul: Consul, capsys: pytest.CaptureFixture[str]
) -> None:
    served(in_consul, OLD)
    consul.stop()
    app = make_app(replace(in_consul, log_level="info"), serves=False)
    assert json.loads(run(app, "show", "--json").stdout)
    out, err = capsys.readouterr()
    assert out == ""
    assert "consul cannot be asked" in json.loads(err)["problem"]


def test_readyz_is_ready_and_says_that_the_last_good_one_serves(
    make_app: Make, in_consul: Settings, consul: Consul
) -> None:
    ready = make_app(in_consul).test_client().get("/readyz")
    assert (ready.status_code, ready.json["data"]["catalog"]) == (200, "ok")
    served(in_consul, OLD)
    consul.stop()
    ready = make_app(in_consul).test_client().get("/readyz")
    assert ready.status_code == 200
    assert ready.json["data"]["catalog"].startswith("last good one of 20")
    assert ready.json["data"]["catalog"].endswith("Z; consul cannot be asked")
    assert consul.address not in ready.text


def test_without_a_source_or_a_copy_the_start_stops(
    make_app: Make, in_consul: Settings, consul: Consul
) -> None:
    consul.stop()
    with pytest.raises(
        CatalogError, match="consul cannot be asked: ConnectFailed: ConnectionRefusedError"
    ) as caught:
        make_app(in_consul)
    assert "t-42-secret" not in str(caught.value)


def test_a_catalog_that_is_a_fifo_is_said_at_once(
    make_app: Make, in_file: Settings, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    app = make_app(replace(in_file, catalog=str(tmp_path / "fifo")), serves=False)
    for words in (("check",), ("check", str(tmp_path / "fifo"))):
        done = run(app, *words)
        assert (done.exit_code, "it is not a regular file" in done.output) == (1, True), done.output


def test_readyz_says_that_no_copy_of_the_catalog_can_be_kept(
    make_app: Make, in_file: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    app = make_app(replace(in_file, catalog_copy=str(tmp_path / "file" / "last.yaml")))
    app.extensions["postern"].watcher.keep()
    answer = app.test_client().get("/readyz")
    assert answer.status_code == 200
    assert answer.json["data"]["catalog"] == "ok; no copy can be kept for a restart: File exists"


def test_check_names_a_file_of_the_folder_that_is_no_part_of_the_catalog(
    make_app: Make, in_file: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "parts"
    folder.mkdir()
    text = "version: 1\nservices: {s: {base_url: https://a.example, methods: {m: {http: GET /}}}}\n"
    (folder / "a.yaml").write_text(text)
    (folder / "b.yml").write_text(text)
    done = run(make_app(replace(in_file, catalog=str(folder))), "check")
    assert done.output == (
        f"{folder}/b.yml: note: is not read; name it b.yaml\n{folder}: ok, 1 service, 1 method\n"
    )
