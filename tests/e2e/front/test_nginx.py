"""Postern behind a real nginx, set up by the file that ships: uploads go through, downloads are sent by nginx."""

from __future__ import annotations

import hashlib
import http.client
import ipaddress
import json
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509

from api.http.security import CSP_HEADER, CSP_NOTHING, SECURITY_HEADERS
from sandbox import Sandbox
from tests.e2e.front.nginx import Nginx, NginxError
from tests.e2e.live import Live, catalog_for, wait_for
from tests.gateway.fakes import Wire
from tests.gateway.fakes import answer as raw_answer
from tests.gateway.http.connect.test_gateway_tls import make_pem

PATH = "/api/v1/files"
ORIGIN = "https://tools.example.com"
LIMIT = 3 * 1024 * 1024

pytestmark = pytest.mark.skipif(
    os.environ.get("POSTERN_TEST_NGINX") == "no", reason="POSTERN_TEST_NGINX=no"
)


class Front:
    """A Postern, and the nginx before it: ``get`` and ``post`` go through nginx."""

    def __init__(self, live: Live, nginx: Nginx) -> None:
        self.live, self.nginx = live, nginx
        self.session = requests.Session()
        self.session.trust_env = False

    def send(self, verb: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.live.token()}", **options.pop("headers", {})}
        return self.session.request(
            verb, self.nginx.url + path, headers=headers, timeout=30, **options
        )

    def get(self, path: str, **headers: str) -> requests.Response:
        return self.send(
            "GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    def upload(self, data: bytes, name: str = "report.bin") -> dict[str, Any]:
        answer = self.send("POST", PATH, files={"file": (name, data, "application/octet-stream")})
        assert answer.status_code == 201, answer.text
        return answer.json()["data"]


@pytest.fixture(scope="module")
def vendor() -> Iterator[Wire]:
    with Wire([], "close") as server:
        yield server


@pytest.fixture(scope="module")
def front(
    box: Sandbox, vendor: Wire, database, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    folder: Path = tmp_path_factory.mktemp("nginx")
    settings = {
        "TRUSTED_PROXIES": "1",
        "FILES_ACCEL": "/_files/",
        "CORS_ORIGINS": ORIGIN,
        "MAX_UPLOAD": str(LIMIT),
    }
    proxied = f'  vendor: {{base_url: "{vendor.url}", allow_private: true, proxy: true}}\n'
    live = Live(folder, catalog_for(box, proxied), **database(), **settings)
    try:
        nginx = Nginx(folder, live.port, files=live.env["FILES_DIR"])
    except NginxError as error:
        pytest.fail(str(error), pytrace=False)
    with ExitStack() as stack:
        stack.callback(live.stop)
        live.start()
        stack.callback(nginx.stop)
        yield Front(live, nginx.start())


@pytest.fixture(scope="module")
def data() -> bytes:
    return os.urandom(1_000_003)


@pytest.fixture(scope="module")
def file(front: Front, data: bytes) -> dict[str, Any]:
    return front.upload(data, "报告.bin")


@pytest.fixture(scope="module")
def path(file: dict[str, Any]) -> str:
    return f"{PATH}/{file['id']}"


def check(answer: requests.Response, status: int, code: int) -> None:
    """The one shape, whoever made it."""
    assert answer.headers["Content-Type"] == "application/json", answer.text[:200]
    body = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), answer.text[:300]
    assert set(body) == {"code", "message", "data", "request_id", "timestamp", "error"}
    assert body["request_id"] == answer.headers["X-Request-ID"]
    assert set(body["error"]) >= {"type", "source", "retryable"}


def test_a_download_is_sent_by_nginx_with_posterns_word_on_what_it_is(
    front: Front, file, path: str, data
) -> None:
    handed = front.live.get(path)
    answer = front.get(path, Origin=ORIGIN, X_Request_ID="mine-1")
    head = front.send("HEAD", path)

    assert (handed.content, "X-Accel-Redirect" in handed.headers) == (b"", True)
    assert (answer.status_code, hashlib.sha256(answer.content).hexdigest()) == (200, file["sha256"])
    assert "X-Accel-Redirect" not in answer.headers
    assert answer.headers["ETag"] == f'"{file["sha256"]}"'
    for name in ("Content-Type", "Content-Disposition", "Last-Modified", "Cache-Control"):
        assert answer.headers[name] == handed.headers[name]
    for name, text in (*SECURITY_HEADERS, (CSP_HEADER, CSP_NOTHING)):
        assert answer.headers[name] == handed.headers[name] == text
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["X-Request-ID"] == "mine-1"
    assert (head.headers["Content-Length"], head.content) == (str(len(data)), b"")


def test_ranges_sent_by_nginx_make_the_whole(front: Front, path: str, data: bytes) -> None:
    etag = front.get(path).headers["ETag"]
    pieces = [
        front.get(path, Range=f"bytes={at}-{at + 99_999}", If_Range=etag)
        for at in range(0, len(data), 100_000)
    ]

    assert {piece.status_code for piece in pieces} == {206}
    assert b"".join(piece.content for piece in pieces) == data
    assert pieces[1].headers["Content-Range"] == f"bytes 100000-199999/{len(data)}"
    assert front.get(path, Range="bytes=-3").content == data[-3:]
    assert front.get(path, Range="bytes=1000000-").content == data[1_000_000:]


def test_every_condition_holds_through_nginx_as_without_it(
    front: Front, path: str, data: bytes
) -> None:
    whole = front.get(path)
    etag, date, old = (
        whole.headers["ETag"],
        whole.headers["Last-Modified"],
        "Thu, 01 Jan 1970 00:00:00 GMT",
    )
    conditions: list[tuple[dict[str, str], int]] = [
        ({"If_None_Match": etag}, 304),
        ({"If_None_Match": f"W/{etag}"}, 304),
        ({"If_None_Match": '"other"'}, 200),
        ({"If_None_Match": '"other"', "If_Modified_Since": date}, 200),
        ({"If_Modified_Since": date}, 304),
        ({"If_Modified_Since": old}, 200),
        ({"If_Match": etag}, 200),
        ({"If_Match": "*"}, 200),
        ({"If_Match": etag, "Range": "bytes=0-1"}, 206),
        ({"If_Unmodified_Since": old}, 200),  # not heeded
        ({"Range": "bytes=0-1", "If_Range": etag}, 206),
        ({"Range": "bytes=0-1", "If_Range": date}, 206),
        ({"Range": "bytes=0-1", "If_Range": '"other"'}, 200),
        ({"Range": "bytes=0-1", "If_Range": f"W/{etag}"}, 200),
        ({"Range": "bytes=0-1", "If_Range": old}, 200),
        ({"Range": "bytes=0-1,5-6"}, 200),
        ({"Range": "bytes=9-1"}, 200),
        ({"Range": "lines=0-1"}, 200),
    ]

    for headers, status in conditions:
        answer = front.get(path, **headers)
        assert (answer.status_code, answer.headers["ETag"]) == (status, etag), headers
        assert answer.content == {200: data, 206: data[:2], 304: b""}[status], headers


def test_what_is_refused_is_refused_in_the_one_shape(front: Front, path: str, data: bytes) -> None:
    beyond = front.get(path, Range=f"bytes={len(data)}-")
    check(beyond, 416, -3012)
    assert beyond.headers["Content-Range"] == f"bytes */{len(data)}"
    check(front.get(path, If_Match='"other"'), 412, -3009)
    check(front.get(f"{PATH}/999999"), 404, -3004)
    check(front.session.get(front.nginx.url + path, timeout=30), 401, -2001)


def test_nobody_gets_at_the_files_past_postern(front: Front, path: str, file) -> None:
    inside = front.live.get(path).headers["X-Accel-Redirect"]
    assert inside.startswith("/_files/")
    for address in (
        inside,
        "/_files/",
        "/_files/pending/",
        "/_files/../_files" + inside.removeprefix("/_files"),
    ):
        check(front.get(address), 404, -3004)
    stolen = front.get(f"{PATH}?q=x", X_Accel_Redirect=inside)
    assert stolen.json()["data"]["items"] == []


def test_a_vendors_answer_cannot_have_nginx_send_files(
    front: Front, vendor: Wire, path: str, data: bytes
) -> None:
    inside = front.live.get(path).headers["X-Accel-Redirect"]
    vendor.answers.append(
        raw_answer(
            b"the vendor's", "200 OK", f"X-Accel-Redirect: {inside}", "X-Sendfile: /etc/passwd"
        )
    )
    answer = front.get("/api/v1/proxy/vendor/x")

    assert answer.content == b"the vendor's" and "X-Sendfile" not in answer.headers


def test_a_file_whose_bytes_are_gone_is_not_found(front: Front) -> None:
    file = front.upload(b"soon gone")
    inside = front.live.get(f"{PATH}/{file['id']}").headers["X-Accel-Redirect"]
    (Path(front.live.env["FILES_DIR"]) / inside.removeprefix("/_files/")).unlink()

    check(front.get(f"{PATH}/{file['id']}"), 404, -3004)


def test_an_upload_is_streamed_through_and_one_that_is_cut_off_leaves_nothing(front: Front) -> None:
    files = Path(front.live.env["FILES_DIR"])

    def kept() -> int:
        return sum(file.is_file() for file in files.rglob("*"))

    before = kept()
    start = b'--XyZ\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    lines = (
        f"POST {PATH} HTTP/1.1", "Host: x", f"Authorization: Bearer {front.live.token()}",
        "Content-Type: multipart/form-data; boundary=XyZ", "Content-Length: 900000",
    )  # fmt: skip
    with socket.create_connection(("127.0.0.1", front.nginx.port)) as client:
        client.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + start + b"x" * 300_000)
        wait_for(
            lambda: kept() == before + 2
        )  # nginx did not wait for the rest: the bytes and their marker are there
    wait_for(lambda: kept() == before)


@pytest.mark.parametrize("chunked", [False, True])
def test_an_upload_over_the_limit_is_refused_by_postern_through_nginx(
    front: Front, chunked: bool
) -> None:
    head = {"Content-Type": "multipart/form-data; boundary=XyZ"}
    body = (
        b'--XyZ\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        + bytes(LIMIT)
        + b"\r\n--XyZ--"
    )
    answer = front.send("POST", PATH, data=iter([body]) if chunked else body, headers=head)

    check(answer, 413, -3007)


REFUSED_BY_NGINX = {
    "not HTTP": (b"GARBAGE\r\n\r\n", 400, -3001),
    "a bad Host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, -3001),
    "an unknown transfer coding": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: zip\r\n\r\n", 400, -3001),
    "an unknown version": (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", 400, -3001),
    "a long request line": (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431, -3011),
    "a long header": (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431, -3011),
    "a verb": (b"TRACE / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405, -3005),
    "the errors' own page": (b"GET /_error HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404, -3004),
    "a large body": (
        b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\nConnection: close\r\n\r\n", 413, -3007,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_BY_NGINX)
def test_what_nginx_refuses_by_itself_has_the_one_shape_too(front: Front, name: str) -> None:
    request, status, code = REFUSED_BY_NGINX[name]
    with socket.create_connection(("127.0.0.1", front.nginx.port), timeout=30) as client:
        client.sendall(request)
        head, _, body = b"".join(iter(lambda: client.recv(65536), b"")).partition(b"\r\n\r\n")

    assert b"\r\nServer: nginx\r\n" in head, "its version is nobody's business"
    assert head.startswith(b"HTTP/1.1 %d " % status) and b"Content-Type: application/json" in head
    answer = json.loads(body)
    assert answer["code"] == code
    assert set(answer) == {"code", "message", "data", "request_id", "timestamp", "error"}
    assert f"X-Request-ID: {answer['request_id']}".encode() in head
    assert (b"\r\nAllow: " in head) is (status == 405)


def test_an_etag_that_nginx_made_weak_still_guards_a_write(front: Front) -> None:
    envelope = front.send(
        "POST", "/api/v1/products", json={"name": "lamp", "price": "1", "description": "x" * 5000}
    ).json()
    path = f"/api/v1/products/{envelope['data']['id']}"
    read = front.get(path, Accept_Encoding="gzip")
    etag = read.headers["ETag"]
    assert (read.headers["Content-Encoding"], etag[:2]) == ("gzip", "W/")

    first = front.send("PATCH", path, json={"price": "2"}, headers={"If-Match": etag})
    second = front.send("PATCH", path, json={"price": "3"}, headers={"If-Match": etag})

    assert first.json()["data"]["price"] == "2.00"
    check(second, 412, -3009)


def test_json_is_compressed_by_nginx_and_a_proxied_answer_is_left_as_it_came(
    front: Front, vendor: Wire
) -> None:
    plain = b'{"name": "' + b"x" * 5000 + b'"}'
    vendor.answers.append(raw_answer(plain, "200 OK", "Content-Type: application/json"))

    own = front.get("/openapi.json", Accept_Encoding="gzip")
    proxied = front.get("/api/v1/proxy/vendor/x", Accept_Encoding="gzip")

    assert (own.headers["Content-Encoding"], own.headers["Vary"]) == (
        "gzip",
        "Accept-Encoding, Origin",
    )
    assert own.json()["openapi"]
    assert ("Content-Encoding" in proxied.headers, proxied.content) == (False, plain)


def test_a_vendors_address_becomes_nginxs_own_with_its_port(front: Front, vendor: Wire) -> None:
    vendor.answers.append(raw_answer(b"", "302 Found", f"Location: {vendor.url}/next"))
    answer = front.send("GET", "/api/v1/proxy/vendor/x", allow_redirects=False)
    assert answer.headers["Location"] == f"{front.nginx.url}/api/v1/proxy/vendor/next"


def test_the_caller_is_who_nginx_sees_and_not_who_it_says_it_is(front: Front) -> None:
    another = http.client.HTTPConnection(
        "127.0.0.1", front.nginx.port, timeout=30, source_address=("127.0.0.2", 0)
    )
    another.request(
        "GET", "/healthz", headers={"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "forged-1"}
    )
    another.getresponse().read()
    another.close()

    lines = [json.loads(line) for line in front.live.log.splitlines() if '"forged-1"' in line]
    assert [line["address"] for line in lines] == ["127.0.0.2"]


def test_a_call_goes_through_and_its_id_reaches_the_vendor(front: Front, box: Sandbox) -> None:
    answer = front.send("POST", "/api/v1/call/demo/create_item", json={"name": "tea"})

    assert (answer.status_code, answer.headers["X-Attempts"]) == (200, "1")
    assert (
        box.requests[-1].headers["x-request-id"]
        == answer.json()["request_id"]
        == answer.headers["X-Request-ID"]
    )


def test_while_postern_is_away_nginx_says_so_in_the_one_shape(
    box: Sandbox, tmp_path: Path, front: Front
) -> None:
    nginx = Nginx(tmp_path, 1, files=str(tmp_path)).start()  # nobody listens on port 1
    try:
        answer = requests.get(f"{nginx.url}/healthz", timeout=30)
    finally:
        nginx.stop()

    check(answer, 503, -5001)
    assert answer.headers["Retry-After"] == "1"
    assert answer.json()["error"]["retryable"] is True


def test_with_tls_it_serves_https_and_sends_plain_http_there(front: Front, tmp_path: Path) -> None:
    pem = make_pem(tmp_path / "tools.pem", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    nginx = Nginx(tmp_path, front.live.port, files=front.live.env["FILES_DIR"])
    plain_port = nginx.use_tls(pem)
    nginx.start()
    try:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(pem)
            answer = session.get(f"{nginx.url}/healthz", timeout=30)
            assert answer.status_code == 200
            assert "max-age" in answer.headers["Strict-Transport-Security"]
            plain = f"http://127.0.0.1:{plain_port}/api/v1/login?a=b"
            moved = session.post(plain, json={}, timeout=30, allow_redirects=False)
            assert moved.status_code == 308
            assert moved.headers["Location"] == "https://127.0.0.1/api/v1/login?a=b"
    finally:
        nginx.stop()
