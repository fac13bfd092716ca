"""What stands before the body: the request line, Host, headers, and what is said where they cannot be taken."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import shutil
import socket
import subprocess
import time
from urllib.parse import quote

import pytest

from sandbox import Sandbox
from tests.e2e.live import Live

ADDRESS = "北京"


def said_to(live: Live, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", live.port), timeout=30) as client:
        client.sendall(raw)
        return b"".join(iter(lambda: client.recv(65536), b""))


def envelope(answer: bytes) -> dict:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def get(*headers: str, line: str = "GET /healthz HTTP/1.1") -> bytes:
    return "\r\n".join([line, *headers, "Connection: close", "", ""]).encode()


@pytest.mark.parametrize(
    ("raw", "limit"),
    [
        (get("Host: x", line=f"GET /{'a' * 8190} HTTP/1.1"), "request line is over 8190 bytes"),
        (b"GET /" + b"a" * 30_000, "request line is over 8190 bytes"),
        (get("Host: x", f"Cookie: {'a' * 9000}"), "header is over 8190 bytes"),
        (get("Host: x", *(f"X-{number}: a" for number in range(100))), "more than 100 headers"),
        (
            get("Host: x", *(f"X-{number}: {'a' * 8000}" for number in range(12))),
            "over 65536 bytes together",
        ),
    ],
    ids=["line", "endless line", "header", "headers", "bytes"],
)
def test_a_head_over_a_limit_is_431_and_names_the_limit(live: Live, raw: bytes, limit: str) -> None:
    before = counted(live, "431")
    answer = said_to(live, raw)
    assert answer.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert (
        b"\r\nX-Postern-Error: headers_too_large\r\n" in answer
    )  # it may have been a proxied request
    body = envelope(answer)
    assert (body["code"], body["error"]["type"]) == (-3011, "headers_too_large")
    assert limit in body["message"]
    lines = [json.loads(line) for line in live.log.splitlines() if body["request_id"] in line]
    assert [(line["event"], line["status"], line["code"]) for line in lines] == [
        ("request", 431, -3011)
    ]
    assert counted(live, "431") == before + 1


def counted(live: Live, status: str) -> float:
    text = live.session.get(f"{live.url}/metrics").text
    match = re.search(
        rf'postern_http_requests_total\{{method="other",route="none",status="{status}"\}} (\S+)',
        text,
    )
    return float(match[1]) if match else 0.0


@pytest.mark.parametrize(
    "headers",
    [[], ["Host:"], ["Host: a b"], ["Host: u@a"], ["Host: a/b"], ["Host: a:b"], ["Host: [::1"], ["Host: a", "Host: a"],
     ["Host: a", "Host: b"], ["Host: a%zz"], ["Host: a?b"], ["Host: é"]],
    ids=str,
)  # fmt: skip
def test_a_request_without_one_good_host_is_malformed_and_says_host(
    live: Live, headers: list[str]
) -> None:
    body = envelope(said_to(live, get(*headers)))
    assert body["code"] == -3001
    assert "Host" in body["message"]


@pytest.mark.parametrize(
    "host",
    [
        "a",
        "a:80",
        "a:",
        "a_b.example",
        "xn--fiq228c.example",
        "127.0.0.1:5000",
        "[::1]:5000",
        "a%20b",
    ],
)
def test_a_good_host_is_taken(live: Live, host: str) -> None:
    assert said_to(live, get(f"Host: {host}")).startswith(b"HTTP/1.1 200 OK\r\n")


def test_http_1_0_needs_no_host_but_no_bad_one_either(live: Live) -> None:
    assert said_to(live, get(line="GET /healthz HTTP/1.0")).startswith(b"HTTP/1.0 200 OK\r\n")
    assert envelope(said_to(live, get("Host: a b", line="GET /healthz HTTP/1.0")))["code"] == -3001


def test_raw_utf_8_in_a_query_is_what_its_percent_encoding_is(live: Live, box: Sandbox) -> None:
    curl = shutil.which("curl")
    assert curl
    box.reset()
    proof = f"Authorization: Bearer {live.token()}"
    for address in (ADDRESS, quote(ADDRESS)):
        url = f"{live.url}/api/v1/call/maps/geocode?address={address}"
        out = subprocess.run(
            [curl, "-s", "-H", proof, url], capture_output=True, timeout=30, check=True
        ).stdout
        assert json.loads(out)["code"] == 0, out
    targets = [re.sub(r"(key|sig)=[^&]*&?", "", request.target) for request in box.requests]
    assert len(set(targets)) <= 2 and all(quote(ADDRESS) in target for target in targets), targets


def test_raw_utf_8_in_a_path_is_what_its_percent_encoding_is(live: Live) -> None:
    live.post("/api/v1/data", json={"key": ADDRESS, "value": 7})
    proof = f"Authorization: Bearer {live.token()}"
    answer = said_to(live, get("Host: x", proof, line=f"GET /api/v1/data/{ADDRESS} HTTP/1.1"))
    assert envelope(answer)["data"]["value"] == 7


@pytest.mark.parametrize("address", [ADDRESS, quote(ADDRESS)], ids=["raw", "quoted"])
def test_an_app_signs_the_target_as_it_sends_it(live: Live, address: str) -> None:
    app_id = f"tool-{secrets.token_hex(4)}"
    secret = live.post("/api/v1/apps", json={"app_id": app_id, "allow": ["*"]}).json()["data"][
        "secret"
    ]
    target, timestamp, nonce = (
        f"/api/v1/data?q={address}",
        str(int(time.time())),
        secrets.token_hex(8),
    )
    text = "\n".join(("GET", target, timestamp, nonce, hashlib.sha256(b"").hexdigest()))
    signature = hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    proof = {
        "X-App-Id": app_id,
        "X-Timestamp": timestamp,
        "X-Nonce": nonce,
        "X-Signature": signature,
    }
    lines = [f"{name}: {value}" for name, value in proof.items()]
    body = envelope(said_to(live, get("Host: x", *lines, line=f"GET {target} HTTP/1.1")))
    assert body["code"] != -1002, body
    assert body["code"] in (0, -3003)


@pytest.mark.parametrize(
    "target", [b"/\xff", b"/healthz?a=\xb1\xb1", b"/\xc0\xaf", b"/\xed\xa0\x80"]
)
def test_raw_bytes_that_are_not_utf_8_are_refused_by_name(live: Live, target: bytes) -> None:
    body = envelope(said_to(live, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n"))
    assert body["code"] == -3001
    assert "percent-encode" in body["message"]


def test_raw_utf_8_reaches_a_proxied_service_as_it_came(live: Live, box: Sandbox) -> None:
    box.reset()
    proof = f"X-Postern-Token: Bearer {live.token()}"
    said_to(
        live,
        get(
            "Host: x",
            proof,
            line=f"GET /api/v1/proxy/wechat/cgi-bin/{ADDRESS}?q={ADDRESS} HTTP/1.1",
        ),
    )
    [target] = [
        request.target.encode("latin-1").decode()
        for request in box.requests
        if "?q=" in request.target
    ]
    assert target.startswith(f"/cgi-bin/{ADDRESS}?q={ADDRESS}&access_token=")
