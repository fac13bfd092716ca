"""A disk that is full or read-only: what needs it is refused by name, all else goes on, and no process ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sandbox import Sandbox
from tests.e2e.live import Live, wait_for
from tests.samples import samples
from tests.small_disk import SmallDisk, mounted

METHODS = 60
CATALOG = """
version: 1
defaults: {{timeout: {{connect: 20, read: 20}}, deadline: 30}}
services:
  s:
    base_url: "{url}"
    allow_private: true
    methods:
{methods}
"""


@pytest.fixture(scope="module")
def disks() -> tuple[str, ...]:
    return ("counts", "files", "database")


@pytest.fixture(scope="module")
def live(
    box: Sandbox, tmp_path_factory: pytest.TempPathFactory, disks: tuple[str, ...]
) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("full")
    places = {name: folder / name for name in disks}
    for place in places.values():
        place.mkdir()
    methods = "".join(f"      m{number}: {{http: GET /anything}}\n" for number in range(METHODS))
    service = Live(
        folder,
        CATALOG.format(url=box.url, methods=methods),
        FILES_DIR=str(places["files"] / "kept"),
    )
    sizes = {places["counts"]: "400k", places["files"]: "3m", places["database"]: "4m"}
    copy = f"cp '{folder}/postern.db' '{places['database']}/' && export TMPDIR='{places['counts']}'"
    move = f"export DATABASE_URL='sqlite:///{places['database']}/postern.db'"
    service.prefix = mounted(sizes, before=f"{copy} && {move}")
    try:
        yield service.start()
    finally:
        service.stop()


def disk(live: Live, name: str) -> SmallDisk:
    return SmallDisk(live.process.pid, live.log_file.parent / name)


def lines(live: Live, event: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in live.log.splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def upload(live: Live, size: int) -> requests.Response:
    return live.post("/api/v1/files", files={"file": ("a.bin", bytes(size))})


def stored(live: Live) -> list[Path]:
    files = disk(live, "files").path.glob("kept/**/*")
    return [path for path in files if path.is_file()]


def refused(answer: requests.Response) -> None:
    envelope = answer.json()
    assert (answer.status_code, envelope["code"], envelope["error"]["retryable"]) == (
        503,
        -5001,
        True,
    ), answer.text
    assert answer.headers["Retry-After"]


def test_a_disk_that_is_full_under_the_counts_ends_no_worker_and_is_told_once(live: Live) -> None:
    counts = disk(live, "counts")
    live.call("s.m0")
    counts.fill()
    answers = [live.call(f"s.m{number}").status_code for number in range(METHODS)]
    assert answers == [200] * METHODS
    assert live.get("/healthz").status_code == 200
    assert "SIGBUS" not in live.log
    assert len(lines(live, "metrics")) == 1

    counts.free()

    def seen() -> bool:
        assert {live.call(f"s.m{number}").status_code for number in range(METHODS)} == {200}
        calls = samples(
            requests.get(f"{live.url}/metrics", timeout=30).text, "postern_calls_total", "method"
        )
        whole = (
            len(calls) == METHODS and min(calls.values()) >= 2
        )  # those that were counted in memory, too
        return whole and len(lines(live, "metrics")) == 2

    wait_for(seen)


def test_an_upload_that_finds_no_room_is_unavailable_and_leaves_nothing(live: Live) -> None:
    refused(upload(live, 4_000_000))
    assert stored(live) == []
    assert live.get("/api/v1/files").json()["data"]["total"] == 0
    assert lines(live, "unforeseen") == []
    assert upload(live, 100_000).status_code == 201


def test_files_on_a_read_only_disk_stay_as_they_are_and_readyz_says_so(live: Live) -> None:
    file = upload(live, 1000).json()["data"]
    before = stored(live)
    files = disk(live, "files")
    files.remount("ro")
    try:
        refused(upload(live, 1000))
        refused(live.send("DELETE", f"/api/v1/files/{file['id']}"))
        ready = live.get("/readyz")
        assert live.get(f"/api/v1/files/{file['id']}").content == bytes(1000)
    finally:
        files.remount("rw")
    assert (ready.status_code, ready.json()["data"]["files"]) == (200, "The disk is read-only.")
    assert stored(live) == before
    assert lines(live, "unforeseen") == []
    assert live.get("/readyz").json()["data"]["files"] == "ok"


def test_a_database_on_a_full_disk_refuses_writes_and_readyz_is_503(live: Live) -> None:
    total = live.get("/api/v1/data").json()["data"]["total"]
    database = disk(live, "database")
    database.fill()
    try:
        answers = [
            live.post("/api/v1/data", json={"key": "k", "value": "x" * 500_000}) for _ in range(3)
        ]
        ready = live.get("/readyz")
        assert live.call("s.m0").status_code == 200
        assert live.get("/api/v1/products").status_code == 200
    finally:
        database.free()
    for answer in answers:
        refused(answer)
    assert (ready.status_code, list(ready.json()["error"]["fields"])) == (503, ["database"])
    assert lines(live, "unforeseen") == []
    assert live.get("/readyz").status_code == 200
    assert live.get("/api/v1/data").json()["data"]["total"] == total
    assert live.login()
