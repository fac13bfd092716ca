"""``postern call`` as people type it: the real console script, at a terminal and in a pipe."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.cli.installation import Installation
from tests.gateway.fakes import Wire, answer, service


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("installation"))


@pytest.fixture
def vendor() -> Iterator[Wire]:
    with Wire([answer(b'{"n": 1, "t": "x", "b": true}')], then="close") as running:
        yield running


@pytest.fixture
def catalog(tmp_path: Path, vendor: Wire) -> str:
    methods = {
        "get": {"http": "GET /", "params": {"to": {"type": "string"}}},
        "words": {"http": "GET /", "stream": True},
        "list": {
            "http": "GET /",
            "params": {"page": {"type": "integer", "default": 1}},
            "paginate": {"by": "page", "param": "page", "items": "rows"},
        },
    }
    services = {"s": service(vendor.url, methods=methods)}
    file = tmp_path / "catalog.yaml"
    file.write_text(json.dumps({"version": 1, "services": services}))
    return str(file)


def at_terminal(installation: Installation, *words: str, **env: str) -> str:
    """What the command writes to a terminal, until it ends."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["postern", *words],
        cwd=installation.typed_in,
        env=installation.env | env,
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    written = b""
    with closing(os.fdopen(ours, "rb", buffering=0)) as terminal, suppress(OSError):
        while piece := terminal.read(4096):  # OSError (EIO): all who could write have ended
            written += piece
    assert process.wait(60) == 0, written
    return written.decode().replace("\r\n", "\n")


def test_json_is_in_colours_at_a_terminal_only(
    installation: Installation, vendor: Wire, catalog: str
) -> None:
    vendor.answers *= 3
    coloured = at_terminal(installation, "call", "s", "get", CATALOG=catalog)
    assert '\x1b[34m"code"\x1b[0m: \x1b[33m0\x1b[0m' in coloured
    plain = at_terminal(installation, "call", "s", "get", CATALOG=catalog, NO_COLOR="1")
    piped = installation.run("call", "s", "get", CATALOG=catalog).stdout
    for text in (plain, piped):
        assert "\x1b" not in text
        assert json.loads(text)["data"] == {"n": 1, "t": "x", "b": True}


def test_a_stream_goes_to_a_pipe_and_into_a_file_byte_for_byte(
    installation: Installation, vendor: Wire, catalog: str
) -> None:
    words = b"data: caf\xc3\xa9\n\n"
    vendor.answers[:] = [answer(words, "200 OK", "Content-Type: text/event-stream")] * 2
    done = installation.run("call", "s", "words", "--stream", CATALOG=catalog)
    assert (done.stdout.encode(), done.returncode) == (words, 0)
    done = installation.run("call", "s", "words", "-o", "words.txt", CATALOG=catalog)
    assert (done.stdout, done.returncode) == ("", 0)
    assert (installation.typed_in / "words.txt").read_bytes() == words


def test_files_of_the_folder_one_is_in_are_parameters(
    installation: Installation, vendor: Wire, catalog: str
) -> None:
    (installation.typed_in / "to.txt").write_text("mei")
    done = installation.run("call", "s", "get", "to=@to.txt", CATALOG=catalog)
    assert done.returncode == 0, done.stderr
    assert vendor.heard[0].startswith(b"GET /?to=mei ")


def test_pages_are_gathered_into_one_answer(
    installation: Installation, vendor: Wire, catalog: str
) -> None:
    pages: list[dict[str, Any]] = [{"rows": [1, 2]}, {"rows": [3]}, {"rows": []}]
    vendor.answers[:] = [answer(json.dumps(page).encode()) for page in pages]
    done = installation.run("call", "s", "list", "--paginate", CATALOG=catalog)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["data"] == [1, 2, 3]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [(("s", "gte"), "get"), (("s", "get", "two=mei"), "to")],
)
def test_a_slip_in_a_call_is_answered_with_what_was_meant(
    installation: Installation, vendor: Wire, catalog: str, typed: tuple[str, ...], meant: str
) -> None:
    done = installation.run("call", *typed, CATALOG=catalog)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["did_you_mean"] == meant
    assert vendor.heard == []
