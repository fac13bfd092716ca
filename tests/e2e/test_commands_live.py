"""The flask command itself, as a shell runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.live import Live

WRONG = "version: 1\nservices: {shop: {base_ulr: x}}\n"


@pytest.fixture
def stray(tmp_path: Path) -> Live:
    """Not started, and with a wrong catalog."""
    return Live(tmp_path, WRONG)


def test_a_wrong_catalog_stops_servers_and_no_commands(stray: Live) -> None:
    stray.flask("db", "upgrade")
    assert json.loads(stray.flask("user", "list", "--json").stdout) == []
    assert "  catalog " in stray.flask("--help").stdout
    for words in (("run", "--port", str(stray.port)), ("call", "shop", "find")):
        done = stray.flask(*words, ok=False)
        assert done.stdout == ""
        assert "services.yaml:2: services.shop.base_ulr: unknown key" in done.stderr


def test_tab_completes_commands_whatever_the_catalog(stray: Live) -> None:
    for typed, at, offered in (("flask ca", "1", ["cache", "call", "catalog"]), ("flask call ", "2", [])):
        stray.env |= {"_FLASK_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": at}
        done = stray.flask()
        assert [line.partition(",")[2] for line in done.stdout.split()] == offered
        assert done.stderr == ""
