"""Files over gunicorn and raw sockets: what a test client cannot break."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import SERVERS, Live, catalog_for, wait_for

PATH = "/api/v1/files"
LIMIT = 4 * 1024 * 1024
START = b'--XyZ\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
END = b"\r\n--XyZ--\r\n"


DATABASES = pytest.mark.parametrize("kind", ["sqlite", "postgresql"])


@pytest.fixture(scope="module", params=SERVERS)
def live(
    request, box: Sandbox, database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Live]:
    folder, (gunicorn, kind) = tmp_path_factory.mktemp("live"), SERVERS[request.param]
    service = Live(
        folder, catalog_for(box), gunicorn=gunicorn, MAX_UPLOAD=str(LIMIT), **database(kind)
    )
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture
def kept(live: Live) -> Callable[[], tuple[int, int]]:
    """How many more files there are than before: on the disk, in the database."""

    def count() -> tuple[int, int]:
        return len(files_of(live)), live.get(PATH).json()["data"]["total"]

    before = count()
    return lambda: tuple(now - then for now, then in zip(count(), before, strict=True))


def files_of(live: Live) -> list[Path]:
    return [file for file in Path(live.env["FILES_DIR"]).rglob("*") if file.is_file()]


def head_of(live: Live, *headers: str) -> bytes:
    lines = (
        f"POST {PATH} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {live.token()}",
        "Content-Type: multipart/form-data; boundary=XyZ",
        *headers,
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def talk(live: Live, *pieces: bytes, half_close: bool = False) -> tuple[int, dict[str, Any]]:
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        with suppress(ConnectionError):  # it may have ended the connection before it read all
            for piece in pieces:
                client.sendall(piece)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        reader = client.makefile("rb")
        status = int(reader.readline().split()[1])
        length = 0
        while (line := reader.readline().strip()) != b"":
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        return status, json.loads(reader.read(length))


def test_a_chunked_upload_is_kept(live: Live) -> None:
    data = os.urandom(100_000)
    body = START + data + END
    pieces = [chunk(body[at : at + 777]) for at in range(0, len(body), 777)]

    status, answer = talk(live, head_of(live, "Transfer-Encoding: chunked"), *pieces, b"0\r\n\r\n")

    assert (status, answer["data"]["sha256"]) == (201, hashlib.sha256(data).hexdigest())
    assert live.get(f"{PATH}/{answer['data']['id']}").content == data


@pytest.mark.parametrize("end", ["hang up", "half close", "reset"])
@pytest.mark.parametrize(
    "how", ["length", "chunked", "chunked, between chunks", "length, after the last delimiter"]
)
def test_an_upload_that_is_cut_off_leaves_nothing_behind(
    live: Live, kept, how: str, end: str
) -> None:
    body = START + b"x" * 300_000 + (END if "delimiter" in how else b"")
    chunked = how.startswith("chunked")
    head = head_of(live, "Transfer-Encoding: chunked" if chunked else "Content-Length: 900000")
    sent = (chunk(body) if "between" in how else b"80000\r\n" + body) if chunked else body

    if end == "half close":
        status, answer = talk(live, head, sent, half_close=True)
        assert (status, answer["code"]) == (400, -3001)
    else:
        with socket.create_connection(("127.0.0.1", live.port)) as client:
            client.sendall(head + sent)
            wait_for(lambda: kept()[0] == 2)  # the bytes and their marker
            if end == "reset":
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_for(lambda: kept() == (0, 0))


def test_an_upload_over_the_limit_is_refused_declared_or_not(live: Live, kept) -> None:
    body = START + b"x" * (LIMIT + 100_000) + END

    declared = talk(live, head_of(live, f"Content-Length: {len(body)}"))
    chunked = talk(live, head_of(live, "Transfer-Encoding: chunked"), chunk(body))

    for status, answer in (declared, chunked):
        assert (status, answer["code"]) == (413, -3007)
    assert kept() == (0, 0)


def test_ranges_of_a_download_make_the_whole(live: Live) -> None:
    data = os.urandom(1_000_003)
    file = live.post(PATH, files={"file": ("报告.bin", data)}).json()["data"]
    path = f"{PATH}/{file['id']}"

    ranges = [
        live.get(path, headers={"Range": f"bytes={at}-{at + 99_999}"})
        for at in range(0, len(data), 100_000)
    ]
    beyond = live.get(path, headers={"Range": "bytes=1000003-"})
    head = live.send("HEAD", path)

    assert file["name"] == "报告.bin"
    assert {piece.status_code for piece in ranges} == {206}
    assert b"".join(piece.content for piece in ranges) == data
    assert (beyond.status_code, beyond.json()["code"], beyond.headers["Content-Range"]) == (
        416,
        -3012,
        "bytes */1000003",
    )
    assert (head.headers["Content-Length"], head.content) == ("1000003", b"")
    with live.get(path, stream=True) as whole:
        assert whole.headers["Content-Length"] == "1000003"
        assert "Content-Encoding" not in whole.headers
        assert whole.content == data


@DATABASES
def test_the_quota_holds_for_uploads_at_once(
    box: Sandbox, database, tmp_path: Path, kind: str
) -> None:
    live = Live(tmp_path, catalog_for(box), FILES_QUOTA="1000000", **database(kind)).start()
    try:
        live.token()
        with ThreadPoolExecutor(8) as pool:
            answers = list(
                pool.map(
                    lambda _: live.post(PATH, files={"file": ("a", b"x" * 300_000)}), range(12)
                )
            )

        assert sorted(answer.status_code for answer in answers) == [201] * 3 + [413] * 9
        assert len(files_of(live)) == 3
    finally:
        live.stop()


@DATABASES
def test_a_killed_worker_leaves_what_the_next_one_clears(
    box: Sandbox, database, tmp_path: Path, kind: str
) -> None:
    live = Live(tmp_path, catalog_for(box), **database(kind)).start()
    try:
        live.post(PATH, files={"file": ("kept", b"x")})
        with socket.create_connection(("127.0.0.1", live.port)) as client:
            client.sendall(head_of(live, "Content-Length: 900000") + START + b"x" * 300_000)
            wait_for(lambda: len(files_of(live)) == 3)
            [worker] = live.workers()
            os.kill(worker, signal.SIGKILL)
            wait_for(lambda: len(files_of(live)) == 1)

        assert [file["name"] for file in live.get(PATH).json()["data"]["items"]] == ["kept"]
    finally:
        live.stop()


def test_a_fast_upload_does_not_keep_others_waiting(box: Sandbox, database, tmp_path: Path) -> None:
    live = Live(tmp_path, catalog_for(box), **database(), MAX_UPLOAD=str(2**30)).start()
    try:
        headers = {
            "Authorization": f"Bearer {live.token()}",
            "Content-Type": "multipart/form-data; boundary=XyZ",
        }
        pieces = (chunk for chunk in [START, *[bytes(1_000_000)] * 300, END])
        with ThreadPoolExecutor(1) as pool:
            upload = pool.submit(
                requests.post, live.url + PATH, data=pieces, headers=headers, timeout=120
            )
            waited = []
            uploaded = time.perf_counter()
            while not upload.done():
                began = time.perf_counter()
                live.get("/healthz")
                waited.append(time.perf_counter() - began)
            uploaded = time.perf_counter() - uploaded

        assert upload.result().status_code == 201, upload.result().text
        waited.sort()
        assert len(waited) > 10
        assert waited[len(waited) // 2] < uploaded / 10
    finally:
        live.stop()
