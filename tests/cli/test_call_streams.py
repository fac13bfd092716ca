"""``flask call`` of a method that streams."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from config import Settings
from tests.gateway.fakes import Wire, answer

Run = Callable[..., Result]
WORDS = b"data: \xff\n\n"


@pytest.fixture
def vendor() -> Iterator[Wire]:
    with Wire(
        [answer(WORDS, "200 OK", "Content-Type: text/event-stream")], then="close"
    ) as running:
        yield running


@pytest.fixture
def call(
    make_app: Callable[[Settings], Flask], settings: Settings, tmp_path: Path, vendor: Wire
) -> Run:
    methods = {
        "words": {"http": "GET /", "stream": True},
        "put": {"http": "POST /", "stream": True, "body": "raw"},
    }
    service = {
        "base_url": vendor.url,
        "allow_private": True,
        "retry": {"times": 0},
        "methods": methods,
    }
    file = tmp_path / "catalog.yaml"
    file.write_text(json.dumps({"version": 1, "services": {"s": service}}))
    runner = make_app(replace(settings, catalog=str(file))).test_cli_runner()
    return lambda *words: runner.invoke(args=["call", "s", *words])


def test_a_stream_is_printed_byte_for_byte(call: Run) -> None:
    done = call("words")
    assert (done.stdout_bytes, done.stderr, done.exit_code) == (WORDS, "", 0)


def test_a_stream_that_breaks_off_is_told_beside_it(call: Run, vendor: Wire) -> None:
    vendor.answers[0] = vendor.answers[0].replace(b"Content-Length: ", b"Content-Length: 9")
    done = call("words")
    assert (done.stdout_bytes, done.exit_code) == (WORDS, 1)
    assert (
        done.stderr
        == "Error: the stream broke off: The service answered something other than what was agreed.\n"
    )


def test_a_stream_that_does_not_begin_is_an_answer_like_any(call: Run, vendor: Wire) -> None:
    vendor.answers[0] = answer(b"", "503 Away")
    done = call("words")
    assert (json.loads(done.stdout)["code"], done.exit_code) == (-1004, 1)


def test_an_upload_without_its_file_is_not_begun(call: Run, vendor: Wire) -> None:
    done = call("put")
    assert (done.stdout, done.exit_code, vendor.heard) == ("", 2, [])
    assert "s.put takes a body as it comes; name its file: -d @FILE" in done.stderr
