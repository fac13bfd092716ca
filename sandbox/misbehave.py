"""Every way an answer can go wrong on the wire: what carries a fault out."""

import gzip
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from email.utils import formatdate
from functools import lru_cache
from itertools import chain
from math import ceil
from time import time

from sandbox.faults import Plan
from sandbox.messages import JSON_TYPE, Reply, Request, json_reply
from sandbox.wire import SERVER_NAME, ClientConnection

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"
GARBAGE = b"\x16\x03\x01\x02\x00 220 this is not HTTP\r\n\x00\xff\xfe\r\n\r\n"
# After an answer that is already complete: a client that reads on would take it for its next
# answer.
SMUGGLED = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
    b'{"smuggled":true}'
)
_BLOCK_BYTES = 64 * 1024
_NO_BODY_STATUSES = (204, 304)

_BODIES = {
    "html": (
        b"<!doctype html><html><head><title>Error</title></head>"
        b"<body><h1>Error</h1></body></html>\n"
    ),
    "bad-json": b'{"status": "ok", "items": [1, 2,',
    "empty": b"",
    "nan": b'{"status": "ok", "value": NaN, "more": Infinity}',
    "latin": '{"status": "ok", "name": "Zoë Müller"}'.encode("latin-1"),
    "huge": b"",
}


def answer(
    conn: ClientConnection, plan: Plan, request: Request, handle: Callable[[Request], Reply]
) -> bool:
    """Answer as planned, the delay being over; return whether the connection stays open."""
    if plan.ending:
        return _end(conn, plan.ending)
    reply = _encode(_substitute(plan) or handle(request), plan.coding)
    head, pieces, stays_open = _frame(conn, plan, reply, request.verb)
    if not _write(conn, plan, head, pieces):
        return False
    if plan.after == "reset-next":
        conn.wait_for_bytes()
        conn.reset()
    return stays_open and not plan.after


def _end(conn: ClientConnection, ending: str) -> bool:
    match ending:
        case "hang":
            conn.wait(None)
        case "reset":
            conn.reset()
        case "garbage":
            conn.sock.sendall(GARBAGE)
    return False


def _substitute(plan: Plan) -> Reply | None:
    """Return the reply that takes the place of the vendor's, if any."""
    if not plan.body and not plan.status:
        return None
    status = plan.status or 200
    headers = _retry_headers(plan)
    if not plan.body:
        return json_reply(status, {"error": f"{SERVER_NAME} was asked for {status}"}, *headers)
    content_type = ("Content-Type", JSON_TYPE)
    if plan.body == "html":
        content_type = ("Content-Type", "text/html; charset=utf-8")
    if plan.body == "gzip-bomb":
        headers = (*headers, ("Content-Encoding", "gzip"))
        return Reply(status, gzip_bomb(plan.size), (content_type, *headers))
    return Reply(status, _BODIES[plan.body], (content_type, *headers))


def _retry_headers(plan: Plan) -> tuple[tuple[str, str], ...]:
    if plan.retry_after is None:
        return ()
    if plan.retry_date:
        return (("Retry-After", formatdate(time() + plan.retry_after, usegmt=True)),)
    return (("Retry-After", str(ceil(plan.retry_after))),)


def _encode(reply: Reply, coding: str) -> Reply:
    match coding:
        case "gzip":
            body = gzip.compress(reply.body)
        case "deflate":
            body = zlib.compress(reply.body)
        case "bad-gzip":  # a good gzip header, then a block type that does not exist
            body = gzip.compress(b"")[:10] + b"\xff" * 32
        case _:
            return reply
    name = "deflate" if coding == "deflate" else "gzip"
    return replace(reply, body=body, headers=(*reply.headers, ("Content-Encoding", name)))


@lru_cache(maxsize=4)
def gzip_bomb(size: int) -> bytes:
    """Return a gzip of a JSON text of `size` bytes, about a thousandth of that long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = [packer.compress(block) for block in json_text(size)]
    return b"".join((*packed, packer.flush()))


def json_text(size: int) -> Iterator[bytes]:
    """Yield a JSON string of `size` bytes, quotes included, in blocks."""
    block = b"x" * _BLOCK_BYTES
    content_size = size - 2
    yield b'"' + block[: content_size % _BLOCK_BYTES]
    for _ in range(content_size // _BLOCK_BYTES):
        yield block
    yield b'"'


def _frame(
    conn: ClientConnection, plan: Plan, reply: Reply, verb: str
) -> tuple[bytes, Iterable[bytes], bool]:
    """Return the head, the rest in pieces, and whether the connection stays open afterwards."""
    if reply.status in _NO_BODY_STATUSES:
        return conn.head(reply), (), conn.keep_alive
    length = len(reply.body)
    pieces: Iterable[bytes] = (reply.body,)
    if plan.body == "huge":
        length = plan.size
        pieces = json_text(length)
    framing: tuple[tuple[str, str], ...] = (("Content-Length", str(length)),)
    version = "HTTP/1.1"
    match plan.framing:
        case "chunked":
            framing = (("Transfer-Encoding", "chunked"),)
            pieces = chain(_chunks(pieces), (b"0\r\n\r\n",))
        case "truncated":
            framing = (("Transfer-Encoding", "chunked"),)
            pieces = _chunks(pieces)
        case "short":
            framing = (("Content-Length", str(length + 10)),)
        case "long":
            pieces = (b"".join(pieces) + SMUGGLED,)
        case "http10":
            version = "HTTP/1.0"
            framing = ()
    stays_open = conn.keep_alive and plan.framing not in ("truncated", "short", "http10")
    head = conn.head(reply, *framing, version=version)
    if verb == "HEAD":
        return head, (), stays_open
    return head, pieces, stays_open


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    return (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)


def _write(conn: ClientConnection, plan: Plan, head: bytes, pieces: Iterable[bytes]) -> bool:
    """Return False when the client left, or the server stopped, before all was written."""
    if plan.early_hints:
        head = EARLY_HINTS + head
    if plan.drip_headers:
        if not _drip(conn, (head,), plan.drip_headers):
            return False
        head = b""
    if plan.drip:
        conn.sock.sendall(head)
        return _drip(conn, pieces, plan.drip)
    rest = iter(pieces)
    conn.sock.sendall(head + next(rest, b""))
    for piece in rest:
        conn.sock.sendall(piece)
    return True


def _drip(conn: ClientConnection, pieces: Iterable[bytes], pause: float) -> bool:
    for index, byte in enumerate(chain.from_iterable(pieces)):
        if index and conn.wait(pause):
            return False
        conn.sock.sendall(bytes((byte,)))
    return True
