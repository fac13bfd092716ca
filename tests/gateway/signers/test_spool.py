"""A body that is hashed before it is sent waits in a file, which no disk and no caller can make stay."""

from __future__ import annotations

import gc
import hashlib
import resource
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.bodies.spool import MAX_MEMORY_BYTES, Spool
from gateway.errors import InvalidParams, Unavailable
from gateway.signers.aws_chunked import AwsChunked
from gateway.streams import PassthroughRequest, RequestStream
from tests.gateway.fakes import Gate, Wire, answer, make_call, service

Open = Callable[..., Gate]
PATIENT = {"timeout": {"connect": 20, "read": 20}, "deadline": 30}
AWS = {
    "type": "aws_sigv4",
    "access_key_id": "A",
    "secret_access_key": "B",
    "region": "r",
    "service": "s3",
}
PIECE = b"x" * 65536
LARGE = MAX_MEMORY_BYTES // len(PIECE) * 2  # pieces


def upload(pieces: int) -> RequestStream:
    return RequestStream((PIECE for _ in range(pieces)), bytes, None)


def open_files() -> list[str]:
    """Temporary files without a name."""
    spool_files = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue  # the listing's own
        if target.startswith(tempfile.gettempdir()) and target.endswith("(deleted)"):
            spool_files.append(target)
    return spool_files


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The kernel takes no more of any file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def sent(at: Gate, body: RequestStream) -> Any:
    inbound = PassthroughRequest((("Content-Type", "text/plain"),), body, None, "PUT", "/b/k")
    return at.gateway.proxy(make_call("proxy", inbound=inbound))


@pytest.mark.parametrize("pieces", [1, LARGE])
def test_a_spooled_body_is_known_before_it_is_sent(pieces: int) -> None:
    with closing(Spool(upload(pieces))) as spool:
        assert spool.length == pieces * len(PIECE)
        assert spool.sha256 == hashlib.sha256(PIECE * pieces).hexdigest()
        assert b"".join(spool) == PIECE * pieces


def test_a_full_disk_is_our_own_failure_and_nothing_is_sent(open_gate: Open) -> None:
    before = open_files()
    with Wire([answer(b"stored")]) as server:
        at = open_gate(
            {"s": service(server.url, auth=AWS, proxy=True, **PATIENT, breaker={"min_calls": 1})}
        )
        with files_of_at_most(MAX_MEMORY_BYTES + len(PIECE)), pytest.raises(Unavailable) as failed:
            sent(at, upload(LARGE))
        assert (failed.value.code, at.breaker, server.connections) == (-5001, "closed", 0)
        assert open_files() == before
        assert b"".join(sent(at, upload(LARGE))) == b"stored"


def test_no_folder_for_it_is_our_own_failure_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(Unavailable):
        Spool(upload(LARGE))


def test_the_file_is_gone_however_the_request_ends(open_gate: Open) -> None:
    before = open_files()
    with Wire([answer(b"early", "403 No"), b""], "close") as server:
        at = open_gate({"s": service(server.url, auth=AWS, proxy=True, **PATIENT)})
        assert b"".join(sent(at, upload(LARGE))) == b"early"
        with pytest.raises(Exception, match="hung up"):
            sent(at, upload(LARGE))
        with pytest.raises(InvalidParams):
            sent(at, RequestStream(_broken(), bytes, None))
    assert open_files() == before


def _broken() -> Iterator[bytes]:
    for _ in range(LARGE):
        yield PIECE
    raise InvalidParams


def test_a_body_is_freed_by_reference_counting_alone() -> None:
    gc.disable()
    try:
        framed = AwsChunked([b"5\r\nhello\r\n0\r\n\r\n"], 5)
        spool = Spool(framed)
        list(spool)
        spool.close()
        references = weakref.ref(framed), weakref.ref(spool)
        del framed, spool
        assert [reference() for reference in references] == [None, None]
    finally:
        gc.enable()


FIRST, SECOND = b"a" * 65536, b"a" * 1024
#: The chunks of Amazon S3's API reference, sigv4-streaming.html and sigv4-streaming-trailers.html.
SIGNED = (
    b"10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n%b\r\n"
    b"400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n%b\r\n"
    b"0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n"
) % (FIRST, SECOND)
TRAILERS = [
    (b"\r\n", ()),
    (b"", ()),
    (b"x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:63bd\r\n\r\n", (("x-amz-checksum-crc32c", "sOO8/Q=="),)),
    (b"x-amz-checksum-crc32c:sOO8/Q==\n\r\nx-amz-trailer-signature:63bd\r\n\r\n", (("x-amz-checksum-crc32c", "sOO8/Q=="),)),
]  # fmt: skip


@pytest.mark.parametrize(("end", "trailers"), TRAILERS)
@pytest.mark.parametrize("size", [1, 7, 8192, 100_000])
def test_chunks_are_taken_apart_wherever_the_network_cuts_them(
    end: bytes, trailers: Any, size: int
) -> None:
    framed = SIGNED + end
    body = AwsChunked([framed[at : at + size] for at in range(0, len(framed), size)], 66560)
    assert b"".join(body) == FIRST + SECOND
    assert body.trailers == trailers


@pytest.mark.parametrize(
    "framed",
    [b"", b"5\r\nhello", b"5\r\nhello\r\n", b"5\r\nhelloX\n0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n", b"5\nhello\r\n0\r\n\r\n",
     b"x" * 2000, b"0" * 17 + b"\r\n\r\n", b"0\r\nno-checksum:1\r\n\r\n", b"0\r\n" + b"x" * 9000],
)  # fmt: skip
def test_what_is_not_in_chunks_is_refused(framed: bytes) -> None:
    with pytest.raises(InvalidParams):
        list(AwsChunked([framed], None))
