"""AWS's SDK stores through the proxy what it was given, whatever it signs and frames by itself."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from botocore.client import Config
from botocore.session import get_session

from sandbox import Sandbox
from tests.e2e.live import Live, catalog_for
from tests.e2e.sdks.s3 import KEY_ID, REGION, S3, SECRET, UNSIGNED_TRAILER

SERVICES = """
  signed: {{base_url: "{url}", allow_private: true, proxy: true, auth: {auth}}}
  unsigned: {{base_url: "{url}", allow_private: true, proxy: true, auth: {{payload: unsigned, {rest}}}}}
"""
PAYLOADS = ("signed", "unsigned")
EMPTY_CHUNK = b"0;chunk-signature=" + b"0" * 64 + b"\r\n"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with S3() as running:
        yield running


@pytest.fixture(scope="module")
def live(box: Sandbox, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    rest = f'type: aws_sigv4, access_key_id: {KEY_ID}, secret_access_key: "{SECRET}", region: {REGION}, service: s3'
    catalog = catalog_for(box, SERVICES.format(url=s3.url, auth=f"{{{rest}}}", rest=rest))
    service = Live(tmp_path_factory.mktemp("s3"), catalog, MAX_UPLOAD="4000000")
    try:
        yield service.start()
    finally:
        service.stop()


@pytest.fixture(autouse=True)
def _fresh(s3: S3) -> None:
    s3.objects.clear()
    s3.requests = 0


def client(live: Live, service: str, **how: Any) -> Any:
    """botocore's, with temporary credentials of its own, that believes it speaks TLS."""
    session = get_session()
    session.set_credentials("ASIAOTHER", "another secret", "another session token")
    config = Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, **how)
    url = f"https://127.0.0.1:{live.port}/api/v1/proxy/{service}"
    s3 = session.create_client("s3", REGION, endpoint_url=url, config=config)

    def prepare(request: Any, **_: Any) -> None:
        request.url = request.url.replace("https:", "http:")
        request.headers["X-Postern-Token"] = live.token()

    s3.meta.events.register("before-send.s3", prepare)
    return s3


@pytest.mark.parametrize("service", PAYLOADS)
@pytest.mark.parametrize("size", [0, 5, 100_000, 3_000_000])
def test_an_object_is_stored_as_it_was_given(live: Live, s3: S3, service: str, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    content = content[:size]
    client(live, service).put_object(Bucket="b", Key="a b/ä", Body=io.BytesIO(content))
    assert list(s3.objects.values()) == [content]
    assert s3.headers["x-amz-content-sha256"] != "UNSIGNED-PAYLOAD"
    assert (s3.headers["x-amz-content-sha256"] == UNSIGNED_TRAILER) == (service == "unsigned")


@pytest.mark.parametrize("service", PAYLOADS)
def test_an_object_without_a_checksum_is_stored_as_it_was_given(
    live: Live, s3: S3, service: str
) -> None:
    plain = client(live, service, request_checksum_calculation="when_required")
    plain.put_object(Bucket="b", Key="k", Body=b"hello", ContentEncoding="gzip")
    assert (s3.objects, s3.headers["content-encoding"]) == ({"/b/k": b"hello"}, "gzip")


def chunked(content: bytes, size: int, trailers: bytes = b"") -> bytes:
    """As AWS's SDKs for Java and Go sign it."""
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    framed = [
        b"%x;chunk-signature=%b\r\n%b\r\n" % (len(piece), b"f" * 64, piece) for piece in pieces
    ]
    return b"".join([*framed, EMPTY_CHUNK, trailers, b"\r\n"])


def put(live: Live, service: str, body: Any, **headers: str) -> requests.Response:
    sent = {
        "X-Postern-Token": live.token(),
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    url = (
        f"{live.url}/api/v1/proxy/{service}/b/k?X-Amz-Signature=0&X-Amz-Credential=1&x-id=PutObject"
    )
    return requests.put(url, data=body, headers=sent, timeout=30)


@pytest.mark.parametrize("service", PAYLOADS)
@pytest.mark.parametrize("size", [10, 200_000])
def test_chunks_that_another_has_signed_are_taken_apart(
    live: Live, s3: S3, service: str, size: int
) -> None:
    content = b"x" * size
    trailers = b"x-amz-checksum-crc32:AAAAAA==\n\r\nx-amz-trailer-signature:" + b"0" * 64 + b"\r\n"
    declared = {"X_Amz_Decoded_Content_Length": str(size), "Content_Encoding": "aws-chunked,gzip"}
    how = {"X_Amz_Content_SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", **declared}
    assert put(live, service, chunked(content, 8192), **how).status_code == 200
    assert s3.objects == {"/b/k?x-id=PutObject": content}
    assert s3.headers["content-encoding"] == "gzip"
    how |= {
        "X_Amz_Content_SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "X_Amz_Trailer": "x-amz-checksum-crc32",
    }
    answer = put(live, service, chunked(content, 8192, trailers), **how)
    assert (answer.status_code, "BadDigest" in answer.text) == (
        403,
        True,
    )  # the checksum is still looked at


FRAMED = {"X_Amz_Content_SHA256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"}
REFUSED = [
    ({"X_Amz_Content_SHA256": "STREAMING-AWS4-HMAC-SHA256-EVENTS"}, b"x", "X-Amz-Content-SHA256"),
    ({"Content_Encoding": "aws-chunked"}, b"1\r\nx\r\n0\r\n\r\n", "Content-Encoding"),
    ({**FRAMED, "X_Amz_Decoded_Content_Length": "4"}, chunked(b"hello", 9), "X-Amz-Decoded-Content-Length"),
    ({**FRAMED, "X_Amz_Decoded_Content_Length": "6"}, chunked(b"hello", 9), "X-Amz-Decoded-Content-Length"),
    ({**FRAMED, "X_Amz_Decoded_Content_Length": "5"}, chunked(b"hello", 9)[:-70], "X-Amz-Content-SHA256"),
    (FRAMED, chunked(b"x" * 200_000, 8192)[:-70], "X-Amz-Content-SHA256"),
    (FRAMED, b"hello", "X-Amz-Content-SHA256"),
    (FRAMED, chunked(b"hello", 9, b"x-amz-acl:public-read\r\n"), "X-Amz-Content-SHA256"),
    (FRAMED, b"5\r\nhello0\r\n\r\n", "X-Amz-Content-SHA256"),
]  # fmt: skip


@pytest.mark.parametrize("service", PAYLOADS)
@pytest.mark.parametrize(("headers", "body", "field"), REFUSED)
def test_what_is_not_what_it_declares_is_refused_and_never_sent(
    live: Live, s3: S3, service: str, headers: dict[str, str], body: bytes, field: str
) -> None:
    answer = put(live, service, body, **headers)
    assert (answer.status_code, list(answer.json()["error"]["fields"])) == (400, [field])
    assert s3.requests == 0


def test_a_body_that_is_not_the_one_its_sdk_has_hashed_is_refused(live: Live, s3: S3) -> None:
    assert put(live, "signed", b"hello", X_Amz_Content_SHA256="0" * 64).status_code == 400
    assert (
        put(live, "unsigned", b"hello", X_Amz_Content_SHA256="0" * 64).status_code == 403
    )  # S3 says so itself
    assert s3.objects == {}


def test_a_body_over_max_upload_is_refused_whole(live: Live, s3: S3) -> None:
    answer = put(live, "signed", iter([b"x" * 1_000_000] * 5))
    assert (answer.status_code, answer.json()["code"], s3.requests) == (413, -3007, 0)
