"""The flask command itself, as a shell runs it."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.live import BIN, ROOT, Live
from tests.gateway.fakes import Wire, answer

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


def test_a_stream_is_printed_as_it_comes_until_ctrl_c(tmp_path: Path) -> None:
    with Wire(
        [answer(b"one \xff", "200 OK").replace(b"Content-Length: 5", b"Content-Length: 99")]
    ) as vendor:
        words = {"http": "GET /", "stream": True, "timeout": {"read": 50}}
        service = {"base_url": vendor.url, "allow_private": True, "methods": {"words": words}}
        live = Live(tmp_path, json.dumps({"version": 1, "services": {"s": service}}))
        command = [str(BIN / "flask"), "call", "s", "words"]
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=live.env | {"LOG_LEVEL": "error"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as running:
            assert running.stdout.read(5) == b"one \xff"
            running.send_signal(signal.SIGINT)
            assert running.communicate(timeout=30) == (b"", b"")
            assert running.returncode == 0


def test_tab_completes_commands_whatever_the_catalog(stray: Live) -> None:
    for typed, at, offered in (
        ("flask ca", "1", ["cache", "call", "catalog"]),
        ("flask call ", "2", ["shop"]),
    ):
        stray.env |= {"_FLASK_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": at}
        done = stray.flask()
        assert [line.partition(",")[2] for line in done.stdout.split()] == offered
        assert done.stderr == ""
