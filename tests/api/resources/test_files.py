"""Files over HTTP, on a real disk."""

from __future__ import annotations

import hashlib
import hmac
import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.datastructures import MultiDict

from api.errors import MalformedBody
from api.http.bodies.multipart import PartHead, read_form
from api.resources import file_store
from api.resources.file_store import FileStore
from models import File

PATH = "/api/v1/files"
BYTES = bytes(range(256)) * 400
UNICODE = "报告 📎 تقرير.pdf"


@pytest.fixture
def upload(client, tokens):
    def send(
        data: bytes = BYTES,
        name: str = "a.bin",
        kind: str = "application/x-thing",
        role: str = "user",
        **more: Any,
    ):
        return client.post(
            PATH, data={"file": (io.BytesIO(data), name, kind)}, headers={**tokens[role], **more}
        )

    return send


@pytest.fixture
def make_file(upload):
    def file(*args: Any, **options: Any) -> dict[str, Any]:
        answer = upload(*args, **options)
        assert answer.status_code == 201, answer.text
        return answer.json["data"]

    return file


@pytest.fixture
def count_files(app, settings) -> Callable[[], tuple[int, int]]:
    """How many files there are: on the disk, in the database."""

    def count() -> tuple[int, int]:
        on_disk = [file for file in Path(settings.files_dir).rglob("*") if file.is_file()]
        with app.extensions["postern"].database.read_session() as session:
            return len(on_disk), len(session.scalars(select(File)).all())

    return count


@pytest.fixture
def configured(make_app, settings, login):
    """A client of the app with other settings, on the same database."""
    login("user")

    def client(**changed: Any):
        return make_app(replace(settings, **changed)).test_client()

    return client


def form(
    data: bytes = BYTES, boundary: bytes = b"XyZ", head: bytes = b'name="file"; filename="a"'
) -> bytes:
    start = b"--" + boundary + b"\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n"
    return start + data + b"\r\n--" + boundary + b"--\r\n"


def post(
    client, headers: dict[str, str], body: bytes, kind: str = "multipart/form-data; boundary=XyZ"
):
    return client.post(PATH, data=body, content_type=kind, headers=headers)


def test_a_file_comes_back_as_it_was_given(client, tokens, upload, count_files) -> None:
    answer = upload(BYTES, UNICODE)
    data = answer.json["data"]
    with client.get(f"{PATH}/{data['id']}", headers=tokens["user"]) as read:
        assert read.data == BYTES
        headers = read.headers

    assert answer.status_code == 201
    assert set(data) == {"id", "name", "content_type", "size", "sha256", "owner", "created_at"}
    assert (data["name"], data["size"], data["content_type"]) == (
        UNICODE,
        len(BYTES),
        "application/x-thing",
    )
    assert data["sha256"] == hashlib.sha256(BYTES).hexdigest()
    assert data["owner"].startswith("user:")
    assert headers["ETag"] == f'"{data["sha256"]}"'
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Accept-Ranges"] == "bytes"
    assert headers["Content-Type"] == "application/x-thing"
    assert headers["Content-Length"] == str(len(BYTES))
    assert headers["Last-Modified"].endswith("GMT")
    assert "filename*=UTF-8''%E6%8A%A5%E5%91%8A%20%F0%9F%93%8E" in headers["Content-Disposition"]
    assert headers["Content-Disposition"].startswith("attachment; filename=")
    assert count_files() == (1, 1)


@pytest.mark.parametrize(
    ("name", "plain_name"),
    [
        ("报告.pdf", "file.pdf"),
        ("报告 📎.tar.gz", "file.tar.gz"),
        ("报告", "file"),
        ("报.告", "file"),
        ("résumé.pdf", "resume.pdf"),
        (".bashrc", ".bashrc"),
    ],
)
def test_who_reads_no_encoded_names_gets_one_that_is_no_hidden_file(
    client, tokens, upload, name: str, plain_name: str
) -> None:
    file_id = upload(name=name).json["data"]["id"]
    read = client.get(f"{PATH}/{file_id}", headers=tokens["user"])
    assert re.search("filename=([^;]*)", read.headers["Content-Disposition"])[1] == plain_name


@pytest.mark.parametrize(
    ("name", "quoted_name"), [("报;.pdf", '";.pdf"'), ("filename=.x;y", '"filename=.x;y"')]
)
def test_a_name_with_a_semicolon_stays_quoted(
    client, tokens, upload, name: str, quoted_name: str
) -> None:
    file_id = upload(name=name).json["data"]["id"]
    read = client.get(f"{PATH}/{file_id}", headers=tokens["user"])
    disposition = read.headers["Content-Disposition"]
    assert disposition.partition("; filename*=")[0] == f"attachment; filename={quoted_name}"


def test_an_empty_file_is_a_file(client, tokens, make_file) -> None:
    file = make_file(b"")
    with client.get(f"{PATH}/{file['id']}", headers=tokens["user"]) as read:
        assert (read.status_code, read.data, file["size"]) == (200, b"", 0)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("/etc/passwd", "passwd"), ("..\\..\\x", "x"), ("../../../x", "x"), ("C:\\Users\\ann\\a b.txt", "a b.txt"),
        (UNICODE, UNICODE), ("\u202egpj.exe", "\u202egpj.exe"), ('a"b;c=d', 'a"b;c=d'), ("~", "~"), ("a%2fb", "b"), ("..%2f..%2fetc", "etc"), ("..%5C..%5Cx", "x"), ("a%252fb", "b"), ("a%2%66b", "b"), ("..%2f..\\x%20y%41", "x%20y%41"), ("100%", "100%"), (" x", " x"),
        ("x" * 255, "x" * 255), ("CON", "CON"), ("-rf", "-rf"),
    ],
)  # fmt: skip
def test_a_name_is_kept_and_is_never_a_path(
    client, tokens, count_files, settings, name: str, stored: str
) -> None:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"') if "\\" not in name else name
    head = f'name="file"; filename="{escaped}"'.encode()

    answer = post(client, tokens["user"], form(b"x", head=head))

    assert answer.status_code == 201, answer.text
    assert answer.json["data"]["name"] == stored
    [on_disk] = [file for file in Path(settings.files_dir).rglob("*") if file.is_file()]
    assert len(on_disk.name) == 32 and on_disk.parent.parent.name == on_disk.name[:2]
    with client.get(f"{PATH}/{answer.json['data']['id']}", headers=tokens["user"]) as read:
        assert read.data == b"x"
        assert "\n" not in read.headers["Content-Disposition"]


def test_a_name_stored_as_a_path_by_an_older_version_does_not_come_back_as_one(
    app, client, tokens, make_file
) -> None:
    number = make_file(b"x")["id"]
    with app.extensions["postern"].database.write_session() as session:
        session.get(File, number).name = "..%2f..%2fetc"
    with client.get(f"{PATH}/{number}", headers=tokens["user"]) as read:
        assert read.headers["Content-Disposition"] == "attachment; filename=etc"
    assert client.get(PATH, headers=tokens["user"]).json["data"]["items"][0]["name"] == "etc"
    assert "etc" in client.get(PATH, headers={**tokens["user"], "Accept": "text/csv"}).text.split(
        ","
    )


@pytest.mark.parametrize(
    "name",
    [
        "a\0b",
        "a\tb",
        "a\x7fb",
        "a\x1bb",
        "a\x85b",
        "..",
        ".",
        "x/..",
        "a/",
        " ",
        "",
        "x" * 256,
        "%2e%2e",
        "a%2f..",
        "a%2f",
        "a%0d%0ab",
    ],
)
def test_a_name_that_can_be_none_is_refused(client, tokens, count_files, name: str) -> None:
    answer = post(client, tokens["user"], form(head=f'name="file"; filename="{name}"'.encode()))

    assert (answer.status_code, answer.json["code"]) == (400, -3003), answer.text
    assert set(answer.json["error"]["fields"]) == {"file"}
    assert count_files() == (0, 0)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ([], {"file"}), ([("file", "text")], {"file"}), ([("file", b"x"), ("file", b"y")], {"file"}),
        ([("fil", b"x")], {"fil", "file"}), ([("fil", b"x"), ("colour", b"y")], {"fil", "file"}),
        ([("colour", "red"), ("file", b"x")], {"colour"}), ([("file", b"x"), ("photo", b"y")], {"photo"}),
    ],
)  # fmt: skip
def test_a_form_has_the_one_field_file(
    client, tokens, count_files, data: list[Any], named: set[str]
) -> None:
    parts = MultiDict(
        (name, (io.BytesIO(content), "a") if isinstance(content, bytes) else content)
        for name, content in data
    )
    answer = client.post(
        PATH, data=parts, headers=tokens["user"], content_type="multipart/form-data"
    )

    assert (answer.status_code, answer.json["code"]) == (400, -3003), answer.text
    assert set(answer.json["error"]["fields"]) == named
    assert count_files() == (0, 0)


@pytest.mark.parametrize(
    "kind",
    [
        "application/json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/mixed; boundary=XyZ",
        None,
    ],
)
def test_another_content_type_is_refused(client, tokens, kind: str | None) -> None:
    answer = client.post(PATH, data=form(), content_type=kind, headers=tokens["user"])

    assert (answer.status_code, answer.json["code"]) == (400, -3002)


@pytest.mark.parametrize(
    "body",
    [
        b"hello", form()[:-8], form()[:200], b"--XyZ--", form(boundary=b"XyZa"), form(head=b""), b"--XyZ\r\n\r\nx\r\n--XyZ--\r\n",
        form(head=b'name="file"; filename="\xff"'), b"--XyZ\r\nX: " + b"x" * 100_000 + form(), b"x" * 200_000,
    ],
)  # fmt: skip
def test_what_is_not_a_whole_form_is_malformed_or_has_no_file(
    client, tokens, count_files, body: bytes
) -> None:
    answer = post(client, tokens["user"], body)

    assert (answer.status_code, answer.json["code"]) == (
        (400, -3003) if body == b"--XyZ--" else (400, -3001)
    ), answer.text
    assert count_files() == (0, 0)


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        f"multipart/form-data; boundary={'x' * 71}",
    ],
)
def test_a_form_without_a_boundary_is_malformed(client, tokens, kind: str) -> None:
    assert post(client, tokens["user"], form(), kind).json["code"] == -3001


@pytest.mark.parametrize(
    "data", [b"", b"\r", b"\r\n", b"\r\n--Xy", b"a\r\n--Xy\r\n", b"\n--XyZ", b"\r\r\n\n"]
)
def test_a_form_is_read_the_same_however_it_is_cut_into_chunks(data: bytes) -> None:
    body = b"preamble\r\n" + form(data) + b"epilogue"
    for size in range(1, len(body) + 1):
        chunks = [body[at : at + size] for at in range(0, len(body), size)]
        head, *pieces = read_form(chunks, b"XyZ")
        assert head == PartHead("file", "a", "application/octet-stream")
        assert b"".join(pieces) == data
    for size in range(len(body) - len(b"--\r\nepilogue")):
        with pytest.raises(MalformedBody):
            list(read_form([body[:size]], b"XyZ"))


def test_only_allowed_types_are_taken(configured, tokens, count_files) -> None:
    client = configured(files_allow=("image/*", "application/pdf"))

    def send(kind: str):
        return client.post(
            PATH, data={"file": (io.BytesIO(b"x"), "a", kind)}, headers=tokens["user"]
        )

    assert send("image/png").status_code == send("Application/PDF; x=y").status_code == 201
    for kind in ("text/html", "image", "imagex/png", "application/pdf2", "image/png\x00"):
        answer = send(kind)
        assert (answer.status_code, answer.json["code"], list(answer.json["error"]["fields"])) == (
            400,
            -3003,
            ["file"],
        )
    assert count_files() == (2, 2)


def test_an_upload_may_be_as_large_as_max_upload_and_other_bodies_only_as_max_body(
    configured, tokens, count_files
) -> None:
    client = configured(max_body=1000, max_upload=5000)
    frame = len(form(b""))

    fits = post(client, tokens["user"], form(b"x" * (5000 - frame)))
    over = post(client, tokens["user"], form(b"x" * (5001 - frame)))
    chunked = client.post(
        PATH, headers=tokens["user"], content_type="multipart/form-data; boundary=XyZ",
        input_stream=io.BytesIO(form(b"x" * 9000)), environ_overrides={"wsgi.input_terminated": True},
    )  # fmt: skip
    other = client.post("/api/v1/products", json={"name": "x" * 2000}, headers=tokens["user"])

    assert fits.status_code == 201
    for answer in (over, chunked, other):
        assert (answer.status_code, answer.json["code"]) == (413, -3007), answer.text
    assert count_files() == (1, 1)


def test_the_files_of_one_owner_stay_within_the_quota(configured, tokens, count_files) -> None:
    client = configured(files_quota=100)

    def send(size: int, role: str = "user"):
        return client.post(
            PATH, data={"file": (io.BytesIO(b"x" * size), "a")}, headers=tokens[role]
        )

    assert [
        send(60).status_code,
        send(41).status_code,
        send(40).status_code,
        send(1).status_code,
    ] == [
        201,
        413,
        201,
        413,
    ]
    second = send(1)
    assert second.json["code"] == -3007, second.text
    assert send(100, "admin").status_code == 201
    assert count_files() == (3, 3)


def test_the_quota_is_exact_under_parallel_uploads(configured, tokens, count_files) -> None:
    client = configured(files_quota=1000)

    def send(_: int) -> int:
        with client.application.test_client() as own:
            data = {"file": (io.BytesIO(b"x" * 300), "a")}
            answer = own.post(PATH, data=data, headers=tokens["user"])
            return answer.status_code if answer.status_code != 400 else answer.text

    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(send, range(16)))

    assert sorted(statuses) == [201] * 3 + [413] * 13
    assert count_files() == (3, 3)


def test_what_fails_on_the_way_leaves_nothing_behind(
    app, client, tokens, upload, count_files, monkeypatch
) -> None:
    monkeypatch.setattr(
        file_store.os,
        "fsync",
        lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")),
    )

    assert (upload().status_code, count_files()) == (503, (0, 0))


def test_what_a_killed_process_leaves_is_settled_at_the_next_start(
    make_file, app, make_app, settings, count_files
) -> None:
    store: FileStore = app.extensions["postern"].files
    with app.extensions["postern"].database.read_session() as session:
        make_file(b"kept")
        stored_as = session.scalar(select(File.stored_as))
    (store._markers / f"{stored_as}.dead").touch()  # killed after the commit
    killed = "ab" * 16  # killed before it
    store.path(killed).parent.mkdir(parents=True)
    store.path(killed).write_bytes(b"half")
    (store._markers / f"{killed}.dead").touch()

    living = "cd" * 16
    with store.pending(living), store.writing(living) as out:
        out.write(b"on its way")
        make_app(settings)
        assert store.path(living).exists()
        assert len(list(store._markers.iterdir())) == 1
        store.remove(living)

    assert count_files() == (1, 1)
    assert store.path(stored_as).read_bytes() == b"kept"


def test_guests_do_not_upload_and_others_files_are_not_found(
    client, tokens, upload, make_file
) -> None:
    assert upload(role="guest").json["code"] == -2004
    file, admins = make_file(), make_file(role="admin")

    for role, path in (
        ("guest", f"{PATH}/{file['id']}"),
        ("user", f"{PATH}/{admins['id']}"),
        ("user", f"{PATH}/999"),
    ):
        for verb in (client.get, client.delete):
            answer = verb(path, headers=tokens[role])
            assert (answer.status_code, answer.json["code"]) == (404, -3004)
    with client.get(f"{PATH}/{file['id']}", headers=tokens["admin"]) as read:
        assert read.data == BYTES
    assert client.get(PATH).json["code"] == client.post(PATH).json["code"] == -2001


def test_a_list_has_ones_own_files_and_for_admins_all(client, tokens, make_file) -> None:
    for name, size in (("Tea.txt", 3), ("100%.txt", 1), ("black tea.txt", 2)):
        make_file(b"x" * size, name)
    make_file(b"", "admins", role="admin")

    def names(query: str, role: str = "user") -> list[str]:
        answer = client.get(f"{PATH}?{query}", headers=tokens[role])
        assert answer.status_code == 200, answer.text
        return [item["name"] for item in answer.json["data"]["items"]]

    assert names("") == ["Tea.txt", "100%.txt", "black tea.txt"]
    assert names("sort=-size") == ["Tea.txt", "black tea.txt", "100%.txt"]
    assert names("q=TEA&sort=name") == ["Tea.txt", "black tea.txt"]
    assert names("q=%25") == ["100%.txt"]
    assert names("limit=1&skip=1") == ["100%.txt"]
    assert names("", "guest") == names("owner=app:shop", "admin") == []
    assert len(names("", "admin")) == 4
    assert client.get(f"{PATH}?sort=stored_as", headers=tokens["user"]).json["code"] == -3003
    with client.get(PATH, headers={**tokens["user"], "Accept": "text/csv"}) as csv:
        assert csv.text.splitlines()[0] == "id,name,content_type,size,sha256,owner,created_at"


def test_a_deleted_file_is_gone_and_who_is_reading_it_gets_it_whole(
    client, tokens, make_file, count_files
) -> None:
    path = f"{PATH}/{make_file()['id']}"
    reading = client.get(path, headers=tokens["user"], buffered=False)

    deleted = client.delete(path, headers=tokens["user"])

    assert (deleted.status_code, deleted.json["data"]) == (200, None)
    assert reading.data == BYTES
    reading.close()
    assert client.get(path, headers=tokens["user"]).status_code == 404
    assert client.delete(path, headers=tokens["admin"]).status_code == 404
    assert count_files() == (0, 0)


SIZE = len(BYTES)


@pytest.mark.parametrize(
    ("range_header", "status", "bounds"),
    [
        ("bytes=0-0", 206, (0, 0)), ("bytes=10-19", 206, (10, 19)), ("bytes=102390-", 206, (102390, SIZE - 1)), ("bytes=-5", 206, (SIZE - 5, SIZE - 1)),
        ("bytes=-999999999", 206, (0, SIZE - 1)), ("bytes=100-999999999", 206, (100, SIZE - 1)), ("BYTES=1-2", 206, (1, 2)),
        (f"bytes={SIZE}-", 416, (0, 0)), ("bytes=999999999-", 416, (0, 0)), ("bytes=-0", 416, (0, 0)),
        ("bytes=0-1,5-6", 200, (0, SIZE - 1)), ("bytes=5-2", 200, (0, SIZE - 1)), ("bytes=x", 200, (0, SIZE - 1)), ("lines=1-2", 200, (0, SIZE - 1)),
        (f"bytes=5-{'9' * 30}", 206, (5, SIZE - 1)), (f"bytes=-{'9' * 30}", 206, (0, SIZE - 1)), (f"bytes={'9' * 30}-", 416, (0, 0)),
        ("bytes=", 200, (0, SIZE - 1)), ("", 200, (0, SIZE - 1)), ("bytes=-", 200, (0, SIZE - 1)),
    ],
)  # fmt: skip
def test_a_range_is_honoured_and_what_is_none_is_ignored(
    client, tokens, make_file, range_header, status, bounds
) -> None:
    first, last = bounds
    path = f"{PATH}/{make_file()['id']}"
    with client.get(path, headers={**tokens["user"], "Range": range_header}) as answer:
        assert answer.status_code == status, answer.headers
        if status == 416:
            assert (answer.json["code"], answer.headers["Content-Range"]) == (
                -3012,
                f"bytes */{SIZE}",
            )
            assert list(answer.json["error"]["fields"]) == ["Range"]
            return
        assert answer.data == BYTES[first : last + 1]
        assert answer.headers["Content-Length"] == str(last + 1 - first)
        assert answer.headers.get("Content-Range") == (
            f"bytes {first}-{last}/{SIZE}" if status == 206 else None
        )


def test_a_range_is_for_get_alone(client, tokens, make_file) -> None:
    path = f"{PATH}/{make_file()['id']}"
    for range_header in ("bytes=0-1", f"bytes={SIZE}-"):
        head = client.head(path, headers={**tokens["user"], "Range": range_header})
        assert (head.status_code, head.headers["Content-Length"]) == (200, str(SIZE))


def test_if_range_holds_for_the_very_same_bytes_only(client, tokens, make_file) -> None:
    file = make_file()
    path = f"{PATH}/{file['id']}"
    with client.get(path, headers=tokens["user"]) as whole:
        etag, date = whole.headers["ETag"], whole.headers["Last-Modified"]

    def status(condition: str) -> int:
        with client.get(
            path, headers={**tokens["user"], "Range": "bytes=0-3", "If-Range": condition}
        ) as answer:
            return answer.status_code

    assert status(etag) == status(date) == 206
    for other in (
        '"x"',
        f"W/{etag}",
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Thu, 01 Jan 2099 00:00:00 GMT",
        "rubbish",
    ):
        assert status(other) == 200


def test_what_the_caller_has_is_not_sent_again(client, tokens, make_file) -> None:
    path = f"{PATH}/{make_file()['id']}"
    with client.get(path, headers=tokens["user"]) as whole:
        etag, date = whole.headers["ETag"], whole.headers["Last-Modified"]

    for conditions in (
        {"If-None-Match": etag},
        {"If-None-Match": f"W/{etag}"},
        {"If-Modified-Since": date},
        {"If-None-Match": etag, "Range": "bytes=0-1"},
    ):
        with client.get(path, headers={**tokens["user"], **conditions}) as answer:
            assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", etag)
    with client.get(
        path, headers={**tokens["user"], "If-None-Match": '"x"', "If-Modified-Since": date}
    ) as answer:
        assert answer.status_code == 200
    for verb in (client.get, client.delete):
        answer = verb(path, headers={**tokens["user"], "If-Match": '"x"'})
        assert (answer.status_code, answer.json["code"]) == (412, -3009)
    with client.get(path, headers={**tokens["user"], "If-Match": etag}) as answer:
        assert answer.status_code == 200


def test_head_tells_all_and_sends_nothing(client, tokens, make_file) -> None:
    path = f"{PATH}/{make_file()['id']}"
    with (
        client.get(path, headers=tokens["user"]) as got,
        client.head(path, headers=tokens["user"]) as head,
    ):
        same = (
            "Content-Length",
            "ETag",
            "Last-Modified",
            "Content-Disposition",
            "Content-Type",
            "Accept-Ranges",
        )
        assert (head.status_code, head.data) == (200, b"")
        assert {name: head.headers[name] for name in same} == {
            name: got.headers[name] for name in same
        }


def test_a_download_is_not_compressed(client, tokens, make_file) -> None:
    path = f"{PATH}/{make_file(b'a' * 10_000, 'a.html', 'text/html')['id']}"
    with client.get(
        path, headers={**tokens["user"], "Accept-Encoding": "gzip, br, zstd"}
    ) as answer:
        assert "Content-Encoding" not in answer.headers
        assert (answer.headers["Content-Length"], answer.data) == ("10000", b"a" * 10_000)
    with client.get(PATH, headers={**tokens["user"], "Accept-Encoding": "gzip"}) as listed:
        assert listed.status_code == 200


def test_nginx_may_send_the_bytes(configured, tokens, settings) -> None:
    client = configured(files_accel="/_files/")
    file = client.post(
        PATH, data={"file": (io.BytesIO(b"hi"), UNICODE)}, headers=tokens["user"]
    ).json["data"]

    with client.get(
        f"{PATH}/{file['id']}", headers={**tokens["user"], "Range": "bytes=0-0"}
    ) as answer:
        assert (answer.status_code, answer.data) == (200, b"")  # the range is nginx's to cut
        inside = answer.headers["X-Accel-Redirect"].removeprefix("/_files/")
        assert (Path(settings.files_dir) / inside).read_bytes() == b"hi"
        assert "filename*=UTF-8''%E6%8A%A5" in answer.headers["Content-Disposition"]
        assert answer.headers["ETag"] == f'"{file["sha256"]}"'


@pytest.fixture
def signed(shop: str, clock):
    """The headers of a signed request, with the body's hash declared."""
    number = iter(range(100))

    def headers(
        declared: str, path: str = PATH, verb: str = "POST", **overrides: str
    ) -> dict[str, str]:
        part = {
            "X-App-Id": "shop",
            "X-Timestamp": str(int(clock.wall())),
            "X-Nonce": f"nonce-{next(number):04}",
            **overrides,
        }
        text = "\n".join((verb, path, part["X-Timestamp"], part["X-Nonce"], declared))
        signature = hmac.new(shop.encode(), text.encode(), hashlib.sha256).hexdigest()
        return {**part, "X-Content-SHA256": declared, "X-Signature": signature}

    return headers


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def test_an_app_uploads_a_body_whose_hash_it_declares_and_signs(
    client, signed, count_files
) -> None:
    body = form()
    answer = post(client, signed(sha256(body)), body)

    assert answer.status_code == 201, answer.text
    assert answer.json["data"]["owner"] == "app:shop"
    assert count_files() == (1, 1)


def test_an_upload_that_is_not_what_was_declared_is_refused_and_not_kept(
    client, signed, tokens, count_files
) -> None:
    body = form()
    resigned = {**signed(sha256(body)), "X-Content-SHA256": sha256(form(b"other"))}
    attempts = [
        (signed(sha256(form(b"other"))), body), (signed(sha256(body)), form(b"other")), (signed(sha256(body)), body + b"x"), (resigned, form(b"other")),
        ({**tokens["user"], "X-Content-SHA256": sha256(b"x")}, body), (signed(sha256(body).upper()), body), (signed("x"), body), (signed(""), body),
    ]  # fmt: skip
    for headers, sent in attempts:
        answer = post(client, headers, sent)
        assert (answer.status_code, answer.json["code"]) == (401, -1002), answer.text
    assert count_files() == (0, 0)


def test_a_signed_upload_without_a_declared_hash_is_one_of_max_body_at_most(
    client, signed, count_files
) -> None:
    def send(body: bytes):
        return post(
            client,
            {name: value for name, value in signed(sha256(body)).items() if "SHA" not in name},
            body,
        )

    assert send(form()).status_code == 201
    assert send(form(b"x" * 1024 * 1024)).json["code"] == -3007
    assert count_files() == (1, 1)


@pytest.mark.parametrize(
    ("verb", "path"),
    [("POST", "/api/v1/products"), ("POST", "/api/v1/call"), ("POST", "/api/v1/call/demo/items"), ("GET", PATH), ("DELETE", f"{PATH}/1"), ("POST", "/me")],
)  # fmt: skip
def test_no_route_takes_a_body_that_is_not_what_was_declared(
    client, signed, tokens, verb: str, path: str
) -> None:
    right, wrong = b'{"name": "Tea", "price": 1}', b'{"name": "Tea", "price": 0}'

    for headers in (
        signed(sha256(right), path, verb),
        {**tokens["user"], "X-Content-SHA256": sha256(right)},
    ):
        refused = client.open(
            path, method=verb, data=wrong, content_type="application/json", headers=headers
        )
        answer = client.open(
            path, method=verb, data=right, content_type="application/json", headers=headers
        )
        assert (refused.status_code, refused.json["code"]) == (401, -1002), refused.text
        assert answer.json["code"] != -1002, "and the nonce was not used up"
        assert answer.json["code"] != -2005
