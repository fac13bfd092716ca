"""A body that is refused before it was read: its sender sees the answer, however it sends."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest
import requests

from tests.e2e.live import Live

MB_10 = b"x" * 10_000_000


def by_urllib(live: Live, path: str, body: bytes) -> bytes:
    request = urllib.request.Request(live.url + path, body, {"Content-Type": "application/json"})
    try:
        return (
            urllib.request.build_opener(urllib.request.ProxyHandler({}))
            .open(request, timeout=30)
            .read()
        )
    except urllib.error.HTTPError as error:
        return error.read()


def by_http_client(live: Live, path: str, body: bytes) -> bytes:
    client = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    client.request("POST", path, body, {"Content-Type": "application/json"})
    return client.getresponse().read()


def by_http_client_in_chunks(live: Live, path: str, body: bytes) -> bytes:
    client = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    pieces = (body[at : at + 100_000] for at in range(0, len(body), 100_000))
    client.request("POST", path, pieces, {"Content-Type": "application/json"}, encode_chunked=True)
    return client.getresponse().read()


def by_requests(live: Live, path: str, body: bytes) -> bytes:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(
            live.url + path, body, headers={"Content-Type": "application/json"}, timeout=30
        ).content


def by_curl(live: Live, path: str, body: bytes, *more: str) -> bytes:
    curl = shutil.which("curl")
    assert curl
    command = [
        curl,
        "-sS",
        "--data-binary",
        "@-",
        "-H",
        "Content-Type: application/json",
        *more,
        live.url + path,
    ]
    return subprocess.run(command, input=body, capture_output=True, timeout=60, check=True).stdout


def by_curl_without_expect(live: Live, path: str, body: bytes) -> bytes:
    return by_curl(live, path, body, "-H", "Expect:")


CLIENTS = [
    by_urllib,
    by_http_client,
    by_http_client_in_chunks,
    by_requests,
    by_curl,
    by_curl_without_expect,
]


@pytest.mark.parametrize(
    ("path", "code"), [("/api/v1/login", -3007), ("/api/v1/data", -2001), ("/nowhere", -3004)]
)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_a_sender_of_10_mb_sees_why_it_was_refused(
    live: Live, client: Callable[[Live, str, bytes], bytes], path: str, code: int
) -> None:
    assert json.loads(client(live, path, MB_10))["code"] == code


def test_who_expects_a_100_is_refused_without_one(live: Live) -> None:
    head = f"POST /api/v1/data HTTP/1.1\r\nHost: x\r\nContent-Length: {len(MB_10)}\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(head.encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 401 ") and b"\r\nConnection: close\r\n" in answer


def test_who_expects_a_100_gets_it_where_the_body_is_wanted(live: Live) -> None:
    body = b'{"username": "ann", "password": "wrong"}'
    head = f"POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(f"{head}Connection: close\r\nExpect: 100-continue\r\n\r\n".encode())
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == -2006


def test_a_connection_whose_short_body_was_refused_goes_on(live: Live) -> None:
    client = http.client.HTTPConnection("127.0.0.1", live.port, timeout=30)
    for _ in range(2):
        client.request("POST", "/api/v1/data", b"x" * 50_000)
        answer = client.getresponse()
        assert (answer.status, answer.headers["Connection"]) == (401, "keep-alive")
        answer.read()
