"""What an interpreter does not import: the start and the memory of a worker, and each command, pay for every module."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from cli import COMMANDS, PROGRAM_COMMANDS, LateCommand

SHORT = 65  # letters, as flask --help has room for
ROOT = Path(__file__).parent.parent
SERVER = """
from app import create_app
from config import Settings
from gateway.masking import Secret
create_app(Settings(jwt_secret=Secret("x" * 32), database_url="sqlite:///{folder}/x.db", files_dir="{folder}"))
"""
#: By what would need them.
MODULES = {
    "a migration": {"alembic", "mako"},
    "a command": {
        "cli.accounts",
        "cli.accounts.apps",
        "cli.call.run",
        "cli.doctor",
        "cli.catalog",
        "cli.database",
        "cli.openapi",
        "cli.top",
        "cli.accounts.users",
    },
    "Redis": {"redis"},
    "PostgreSQL": {"psycopg", "sqlalchemy.dialects.postgresql"},
    "a program that speaks requests": {"requests", "urllib3", "charset_normalizer"},
    "spans": {"opentelemetry", "google.protobuf"},
    "the sandbox": {"sandbox"},
    "development": {"pytest", "pygments"},
}


def imported(code: str) -> set[str]:
    """The modules that there are after the code has run in an interpreter of its own."""
    script = f"import sys, json\n{code}\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_server_imports_nothing_that_its_settings_do_not_ask_for(tmp_path: Path) -> None:
    modules = imported(SERVER.format(folder=tmp_path))
    needless = {reason: sorted(names & modules) for reason, names in MODULES.items()}
    assert needless == {reason: [] for reason in MODULES}


SERVER_ONLY = {
    "sqlalchemy",
    "argon2",
    "flask_smorest",
    "prometheus_client",
    "api.parts",
    "gateway.gateway",
}
COMMAND = """
import os, runpy, sys
os.environ.update(FLASK_RUN_FROM_CLI="true", FLASK_APP="wsgi", JWT_SECRET="x" * 32)
from flask.cli import cli
cli.main({arguments}, standalone_mode=False)
"""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["call", "--help"], ["catalog", "check", "services.yaml"]]
)
def test_a_command_imports_neither_database_nor_views_that_it_does_not_need(
    arguments: list[str],
) -> None:
    modules = imported(COMMAND.format(arguments=arguments))
    assert "api.context" in modules
    assert modules & SERVER_ONLY == set()


@pytest.mark.parametrize("load", [*COMMANDS, *PROGRAM_COMMANDS])
def test_a_command_is_listed_with_its_own_words(load: Callable[[], click.Command]) -> None:
    listed = LateCommand(load)
    command = load()
    assert listed.name == command.name
    assert listed.get_short_help_str(SHORT) == command.get_short_help_str(SHORT)
