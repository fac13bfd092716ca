"""Carries a fault out: every way an answer can go wrong on the wire."""

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
from sandbox.wire import SERVER_NAME, Connection

EARLY_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload; as=style\r\n\r\n"
GARBAGE = b"\x16\x03\x01\x02\x00 220 this is not HTTP\r\n\x00\xff\xfe\r\n\r\n"
# After an answer that is already complete: a client that reads on would take it for its next answer.
SMUGGLED = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{"smuggled":true}'
_BLOCK = 64 * 1024

_BODIES = {
    "html": b"<!doctype html><html><head><title>Error</title></head><body><h1>Error</h1></body></html>\n",
    "bad-json": b'{"status": "ok", "items": [1, 2,',
    "empty": b"",
    "nan": b'{"status": "ok", "value": NaN, "more": Infinity}',
    "latin": '{"status": "ok", "name": "Zoë Müller"}'.encode("latin-1"),
    "huge": b"",
}


def answer(
    conn: Connection, plan: Plan, request: Request, handle: Callable[[Request], Reply]
) -> bool:
    """Answers as planned, the delay being over; returns whether the connection stays open."""
    if plan.ending:
        return _end(conn, plan.ending)
    reply = _encode(_substitute(plan) or handle(request), plan.coding)
    head, pieces, stays = _frame(conn, plan, reply, request.verb)
    if not _write(conn, plan, head, pieces):
        return False
    if plan.after == "reset-next":
        conn.wait_for_bytes()
        conn.reset()
    return stays and not plan.after


def _end(conn: Connection, ending: str) -> bool:
    match ending:
        case "hang":
            conn.wait(None)
        case "reset":
            conn.reset()
        case "garbage":
            conn.sock.sendall(GARBAGE)
    return False


def _substitute(plan: Plan) -> Reply | None:
    """The reply that takes the place of the vendor's, if any."""
    if not plan.body and not plan.status:
        return None
    status, headers = plan.status or 200, _retry_headers(plan)
    if plan.body == "gzip-bomb":
        body, headers = gzip_bomb(plan.size), (*headers, ("Content-Encoding", "gzip"))
    elif plan.body:
        body = _BODIES[plan.body]
    else:
        return json_reply(status, {"error": f"{SERVER_NAME} was asked for {status}"}, *headers)
    kind = "text/html; charset=utf-8" if plan.body == "html" else JSON_TYPE
    return Reply(status, body, (("Content-Type", kind), *headers))


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
    """A gzip of a JSON text of `size` bytes, about a thousandth of that long."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    packed = [packer.compress(block) for block in json_text(size)]
    return b"".join((*packed, packer.flush()))


def json_text(size: int) -> Iterator[bytes]:
    """A JSON string of `size` bytes, quotes included, in blocks."""
    block, left = b"x" * _BLOCK, size - 2
    yield b'"' + block[: left % _BLOCK]
    for _ in range(left // _BLOCK):
        yield block
    yield b'"'


def _frame(
    conn: Connection, plan: Plan, reply: Reply, verb: str
) -> tuple[bytes, Iterable[bytes], bool]:
    """The head, the rest in pieces, and whether the connection stays open afterwards."""
    if reply.status in (204, 304):
        return conn.head(reply), (), conn.keep_alive
    huge = plan.body == "huge"
    length = plan.size if huge else len(reply.body)
    pieces: Iterable[bytes] = json_text(length) if huge else (reply.body,)
    framing: tuple[tuple[str, str], ...] = (("Content-Length", str(length)),)
    version, stays = "HTTP/1.1", conn.keep_alive
    match plan.framing:
        case "chunked":
            framing, pieces = (
                (("Transfer-Encoding", "chunked"),),
                chain(_chunks(pieces), (b"0\r\n\r\n",)),
            )
        case "truncated":
            framing, pieces, stays = (("Transfer-Encoding", "chunked"),), _chunks(pieces), False
        case "short":
            framing, stays = (("Content-Length", str(length + 10)),), False
        case "long":
            pieces = (b"".join(pieces) + SMUGGLED,)
        case "http10":
            version, framing, stays = "HTTP/1.0", (), False
    return conn.head(reply, *framing, version=version), () if verb == "HEAD" else pieces, stays


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    return (b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces if piece)


def _write(conn: Connection, plan: Plan, head: bytes, pieces: Iterable[bytes]) -> bool:
    """False when the client left, or the server stopped, before all was written."""
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


def _drip(conn: Connection, pieces: Iterable[bytes], pause: float) -> bool:
    for nth, byte in enumerate(chain.from_iterable(pieces)):
        if nth and conn.wait(pause):
            return False
        conn.sock.sendall(bytes((byte,)))
    return True
