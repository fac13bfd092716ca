"""``flask call`` of a method that streams."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from config import Settings
from tests.gateway.fakes import Wire, answer, service

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
        "ask": {
            "http": "GET /",
            "envelope": "wechat",
            "params": {"to": {"type": "string"}},
            "mask": ["to"],
        },
        "send": {
            "http": "POST /send",
            "params": {"to": {"type": "string"}, "text": {"type": "string"}},
        },
    }
    services = {"s": service(vendor.url, methods=methods)}
    file = tmp_path / "catalog.yaml"
    file.write_text(json.dumps({"version": 1, "services": services}))
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
        == "Error: the stream broke off: The service answered something other than what was agreed;"
        " tell the admin, to whom GET /api/v1/calls/<request_id> says what.\n"
        "why: cut short\n"
    )


def test_a_stream_that_does_not_begin_is_an_answer_like_any(call: Run, vendor: Wire) -> None:
    vendor.answers[0] = answer(b"", "503 Away")
    done = call("words")
    assert (json.loads(done.stdout)["code"], done.exit_code) == (-1004, 1)
    assert done.stderr == "why: HTTP 503\n"


def test_an_upload_without_its_file_is_not_begun(call: Run, vendor: Wire) -> None:
    done = call("put")
    assert (done.stdout, done.exit_code, vendor.heard) == ("", 2, [])
    assert "s.put takes a body as it comes; name its file: -d @FILE" in done.stderr


def test_a_raw_body_is_a_file_with_its_type(call: Run, vendor: Wire, tmp_path: Path) -> None:
    vendor.answers[0] = answer(b"{}")
    file = tmp_path / "page.html"
    file.write_bytes(b"<p>\xff</p>")
    done = call("put", "-d", f"@{file}")
    assert done.exit_code == 0, done.output
    head, _, body = vendor.heard[0].partition(b"\r\n\r\n")
    assert b"content-type: text/html" in head.lower()
    assert body == b"<p>\xff</p>"


def test_a_file_that_is_not_there_is_told_and_nothing_is_sent(call: Run, vendor: Wire) -> None:
    done = call("words", "to=@all")
    assert (done.exit_code, vendor.heard) == (2, [])
    assert "a value that begins with @ is written @@all" in done.stderr


def test_an_answer_goes_into_a_file_once_it_is_whole(
    call: Run, vendor: Wire, tmp_path: Path
) -> None:
    file = tmp_path / "words.txt"
    assert call("words", "--stream", "-o", str(file)).stdout == ""
    assert file.read_bytes() == WORDS
    broken = answer(b"other", "200 OK", "Content-Type: text/event-stream")
    vendor.answers.append(broken.replace(b"Content-Length: ", b"Content-Length: 9"))
    assert call("words", "-o", str(file)).exit_code == 1
    assert file.read_bytes() == WORDS
    assert [path.name for path in tmp_path.glob("*words*")] == ["words.txt"]


def test_a_file_that_cannot_be_written_is_told_before_anything_is_sent(
    call: Run, vendor: Wire, tmp_path: Path
) -> None:
    done = call("words", "-o", str(tmp_path / "nowhere" / "words.txt"))
    assert (done.exit_code, vendor.heard) == (2, [])


def test_all_parameters_may_come_from_a_file(call: Run, vendor: Wire, tmp_path: Path) -> None:
    file = tmp_path / "message.json"
    file.write_text('{"to": "mei", "text": "hi"}')
    output = call("send", "-d", f"@{file}", "text=@@all", "--dry-run")
    assert json.loads(output.stdout.rpartition("\n\n")[2]) == {"to": "mei", "text": "@all"}
    refused = call("send", "-d", "[1]")
    assert (refused.exit_code, "must be an object" in refused.stderr) == (2, True)
    assert vendor.heard == []


def test_stream_is_refused_where_nothing_streams(call: Run, vendor: Wire) -> None:
    done = call("send", "--stream", "to=mei")
    assert (done.exit_code, vendor.heard) == (2, [])
    assert "s.send does not stream" in done.stderr


def test_pages_are_refused_where_there_are_none(call: Run, vendor: Wire) -> None:
    done = call("send", "--paginate", "to=mei")
    assert (done.exit_code, vendor.heard) == (2, [])
    assert "s.send has no pages to gather; leave out --paginate" in done.stderr


def test_why_a_service_said_no_is_told_beside_the_answer_masked_and_fit_for_a_terminal(
    call: Run, vendor: Wire
) -> None:
    vendor.answers[0] = answer(b'{"errcode": 40003, "errmsg": "invalid \\u009b2J mei"}')
    done = call("ask", "to=mei")
    assert (json.loads(done.stdout)["code"], done.exit_code) == (-1006, 1)
    assert done.stderr == "why: HTTP 200, vendor code 40003: invalid \\x9b2J ****\n"


def test_a_call_that_was_not_sent_has_no_reason_of_a_services(call: Run, vendor: Wire) -> None:
    done = call("send", "too=mei")
    assert (done.stderr, done.exit_code, vendor.heard) == ("", 1, [])


def test_where_nothing_answered_is_told_with_why(
    make_app: Callable[[Settings], Flask], settings: Settings, tmp_path: Path
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and never listens
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        methods = {"m": {"http": "GET /", "retry": {"times": 0}}}
        services = {"s": service(f"http://{address}", methods=methods)}
        file = tmp_path / "catalog.yaml"
        file.write_text(json.dumps({"version": 1, "services": services}))
        runner = make_app(replace(settings, catalog=str(file))).test_cli_runner()
        done = runner.invoke(args=["call", "s", "m"])
    assert done.stderr.startswith(f"why: {address}: ConnectionRefusedError")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("send", "-d", "body.json"), "; a file is written -d @FILE\n"),
        (
            ("send", "-d", "@absent.json"),
            "-d: absent.json cannot be read (No such file or directory)\n",
        ),
        (("send", "to", "=", "mei"), "'to' is not name=value, which has no spaces around =\n"),
    ],
)
def test_a_slip_in_what_a_call_takes_is_told_with_how_it_is_written(
    call: Run, vendor: Wire, words: tuple[str, ...], says: str
) -> None:
    done = call(*words)
    assert (done.exit_code, vendor.heard, done.stderr.endswith(says)) == (2, [], True), done.stderr
