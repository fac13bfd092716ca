"""What a caller sees when a disk, descriptors or memory of ours are used up."""

from __future__ import annotations

import errno
import io
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from api import logs

STANDARD_STREAMS = 3


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Those that are open stay so; what another thread closes meanwhile is not given out again."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (STANDARD_STREAMS, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_an_upload_without_a_descriptor_is_unavailable_and_no_traceback(
    app, client, tokens
) -> None:
    log = io.BytesIO()
    postern = app.extensions["postern"]
    app.extensions["postern"] = replace(postern, log=logs.configure("error", postern.masker, log))

    def upload():
        form = {"file": (io.BytesIO(b"x"), "a.txt")}
        return client.post("/api/v1/files", data=form, headers=tokens["user"])

    assert upload().status_code == 201
    with no_descriptor_left():
        answer = upload()
    assert (answer.status_code, answer.json["code"], answer.json["error"]["retryable"]) == (
        503,
        -5001,
        True,
    )
    assert answer.headers["Retry-After"] == "1"
    assert [json.loads(line)["event"] for line in log.getvalue().splitlines()] == ["no_room"]
    assert b"Traceback" not in log.getvalue()
    assert upload().status_code == 201


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("error", "code"),
    [
        *(
            (OSError(number, "x"), -5001)
            for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)
        ),
        *((OSError(number, "x"), -5001) for number in (errno.EMFILE, errno.ENFILE, errno.ENOMEM)),
        (MemoryError(), -5001),
        (OSError(errno.ENOENT, "x"), -5000),
        (OSError("x"), -5000),
    ],
    ids=repr,
)
def test_an_error_of_ours_is_unavailable_where_something_is_used_up(
    app, client, error, code
) -> None:
    def view():
        raise error

    app.add_url_rule("/broken", "broken", view)
    assert client.get("/broken").json["code"] == code
