"""``postern``: the commands of ``flask ...`` from any folder."""

from __future__ import annotations

import os
import pty
import re
import stat
import subprocess
from pathlib import Path

import pytest

from cli import COMMANDS, PROGRAM_COMMANDS
from cli.program.group import SECTIONS
from tests.cli.installation import Installation

ENUM = """
version: 1
services:
  mail:
    base_url: https://mail.example
    methods:
      send:
        http: POST /send
        params:
          to: {type: string, required: true}
          kind: {type: string, enum: [plain, html]}
          now: {type: boolean}
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("installation"))


@pytest.fixture
def fresh(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_it_says_its_version_and_what_it_can_do(installation: Installation) -> None:
    version = (installation.root / "VERSION").read_text().strip()
    assert installation.run("--version").stdout == f"Postern {version}\n"
    assert installation.run("--version", "call").stdout == f"Postern {version}\n"
    done = installation.run("--help")
    assert done.stdout.startswith("Usage: postern [OPTIONS] COMMAND [ARGS]...\n\n  Postern: ")
    assert "\x1b" not in done.stdout
    listed = [name for names in SECTIONS.values() for name in names]
    for name in listed:
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE), name
    assert sorted(listed) == sorted({load.__name__ for load in (*COMMANDS, *PROGRAM_COMMANDS)})


def test_help_imports_no_framework(installation: Installation) -> None:
    done = installation.run("--help", PYTHONPROFILEIMPORTTIME="1")
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "click" in imported
    assert imported & {"flask", "config", "api", "gateway", "sqlalchemy", "requests"} == set()


@pytest.mark.parametrize(
    ("typed", "suggestion"),
    [(("cal",), "'call'"), (("call", "--strem"), "'--stream'"), (("catalog", "chek"), "'check'")],
)
def test_a_slip_is_answered_with_what_was_meant(
    installation: Installation, typed: tuple[str, ...], suggestion: str
) -> None:
    done = installation.run(*typed)
    assert done.returncode == 2
    assert suggestion in done.stderr


def test_files_are_those_of_the_folder_it_is_typed_in(installation: Installation) -> None:
    (installation.typed_in / "mine.yaml").write_text(ENUM)
    assert installation.run("catalog", "check").stdout.startswith("services.yaml: ok")
    assert "1 service, 1 method" in installation.run("catalog", "check", "mine.yaml").stdout
    assert installation.run("catalog", "check", "services.yaml").returncode == 1
    (installation.typed_in / "to.txt").write_text("mei")
    result = installation.run(
        *["call", "mail", "send", "to=@to.txt", "--dry-run"],
        CATALOG=str(installation.typed_in / "mine.yaml"),
    )
    assert '"to":"mei"' in result.stdout.replace(" ", ""), result.stderr


def test_a_wrong_setting_is_told_by_name(installation: Installation) -> None:
    done = installation.run("catalog", "check", PORT="none")
    assert (done.returncode, "PORT: " in done.stderr, "Traceback" in done.stderr) == (
        1,
        True,
        False,
    )


def offered(installation: Installation, line: str, **env: str) -> list[str]:
    """What bash would put before the cursor, as its own script says."""
    script = """
        eval "$(_POSTERN_COMPLETE=bash_source postern)"
        compopt() { :; }
        COMP_WORDBREAKS=$' \\t\\n"\\'><=;|&(:' COMP_LINE="$1" COMP_POINT=${#1}
        _postern_completion postern
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, "bash", line],
        cwd=installation.typed_in,
        env=installation.env | env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("postern ca", ["cache", "call", "catalog"]),
        ("postern call ", ["mail"]),
        ("postern call mail s", ["send"]),
        ("postern call mail send ", ["to=", "kind=", "now="]),
        ("postern call mail send to=mei ", ["kind=", "now="]),
        ("postern call mail send to=mei k", ["kind="]),
        ("postern call mail send kind=", ["plain", "html"]),
        ("postern call mail send kind=h", ["html"]),
        ("postern call mail send now=t", ["true"]),
        ("postern call mail send --pag", ["--paginate"]),
        ("postern call nobody send ", []),
    ],
)
def test_tab_knows_parameters_and_their_values(
    installation: Installation, typed: str, expected: list[str]
) -> None:
    file = installation.typed_in / "tab.yaml"
    file.write_text(ENUM)
    assert offered(installation, typed, CATALOG=str(file)) == expected


def test_tab_reads_a_folder_and_passes_over_what_is_no_catalog(installation: Installation) -> None:
    folder = installation.typed_in / "several"
    folder.mkdir()
    (folder / "a.yaml").write_text(ENUM)
    (folder / "b.yaml").write_text("services: [")
    (folder / "c.yaml").write_text("services: {maps: 3, 7: {methods: [1]}}")
    assert offered(installation, "postern call ", CATALOG=str(folder)) == ["mail", "maps", "7"]


def test_tab_does_not_load_the_application(installation: Installation) -> None:
    done = installation.run(
        _POSTERN_COMPLETE="bash_complete",
        COMP_LINE="postern call wechat send_msg ",
        PYTHONPROFILEIMPORTTIME="1",
    )
    assert done.stdout == "plain,touser=\nplain,text=\n"
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert imported & {"flask", "config", "api", "gateway", "sqlalchemy", "requests"} == set()


def settings_in(fresh: Installation) -> dict[str, str]:
    lines = (fresh.root / ".env").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and line[0] != "#")


def test_init_makes_a_first_installation_and_keeps_what_is_there(fresh: Installation) -> None:
    done = fresh.run("init", "--port", "5077")
    assert done.returncode == 0, done.stderr
    assert settings_in(fresh) == {"ENV": "development", "CATALOG": "catalog", "PORT": "5077"}
    assert stat.S_IMODE((fresh.root / ".env").stat().st_mode) == 0o600
    assert (fresh.root / "catalog" / "services.yaml").exists()
    assert "made user admin" in done.stdout
    assert fresh.run("catalog", "check").returncode == 0

    before = (fresh.root / ".env").read_bytes()
    second = fresh.run("init")
    assert (second.returncode, "stays as it is" in second.stdout) == (0, True)
    other = fresh.run("init", "--database-url", "postgresql://me:secret@db/x")
    assert (other.returncode, "secret" in other.stderr) == (1, False)
    assert (fresh.root / ".env").read_bytes() == before


def test_init_for_production_makes_secrets_and_no_sandbox(fresh: Installation) -> None:
    done = fresh.run("init", "--env", "production", "--yes")
    assert done.returncode == 0, done.stderr
    settings = settings_in(fresh)
    assert settings["ENV"] == "production"
    assert len({settings["JWT_SECRET"], settings["SECRETS_KEY"]}) == 2
    assert settings["JWT_SECRET"] not in done.stdout
    assert "0 services" in fresh.run("catalog", "check").stdout
    assert "postern db upgrade" in done.stdout


def test_init_refuses_what_the_start_would_refuse(fresh: Installation) -> None:
    done = fresh.run("init", "--redis-url", "http://there")
    assert (done.returncode, "--redis-url" in done.stderr) == (2, True)
    assert not (fresh.root / ".env").exists()


def test_init_asks_little_at_a_terminal(fresh: Installation) -> None:
    terminal, theirs = pty.openpty()
    with subprocess.Popen(
        ["postern", "init"],
        cwd=fresh.typed_in,
        env=fresh.env,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as running:
        os.write(terminal, b"\n5088\n")
        output, _ = running.communicate(timeout=60)
    os.close(terminal)
    os.close(theirs)
    assert running.returncode == 0, output
    assert settings_in(fresh)["PORT"] == "5088"
