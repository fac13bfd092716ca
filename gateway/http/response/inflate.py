"""Undoes a body's ``Content-Encoding``, in steps that hold up nobody for long."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress

from gateway.errors import BadResponse

MAX_MEMBERS = 100  # of one gzip body; each costs a copy of what follows it
STEP_BYTES = 262_144  # that one step gives: about a millisecond
#: IANA's registry of content codings. What is not in it (a charset, ``none``, ``binary``) encodes
#: nothing.
CODINGS = frozenset({
    "aes128gcm", "br", "compress", "dcb", "dcz", "deflate", "exi", "gzip", "pack200-gzip",
    "x-compress", "x-gzip", "zstd",
})  # fmt: skip
_WINDOWS: Mapping[str, tuple[int, ...]] = {"gzip": (31,), "x-gzip": (31,), "deflate": (15, -15)}


def inflate(
    body: bytes, headers: Mapping[str, str], limit: int, pause: Callable[[], None]
) -> bytes:
    """Return a body without its ``Content-Encoding``.

    :param headers: names in lower case.
    :param pause: called between two steps.
    :raises BadResponse: larger than ``limit`` bytes, or in another coding than gzip and deflate.
    """
    declared = headers.get("content-encoding")
    if not declared or not body:
        return body
    names = [part.strip().lower() for part in declared.split(",")]
    codings = [name for name in names if name in CODINGS]
    if not codings:
        return body
    windows = _WINDOWS.get(codings[0], ()) if len(codings) == 1 else ()
    for window in windows:
        with suppress(zlib.error):
            return _inflate_members(body, window, limit, pause)
    raise BadResponse(detail=f"cannot undo Content-Encoding {', '.join(codings)[:40]!r}")


def _inflate_members(body: bytes, window: int, limit: int, pause: Callable[[], None]) -> bytes:
    """Return all that is compressed: a gzip body may be several members in a row (RFC 1952, 2.2).

    What follows a whole member and is none is left out, as gzip, curl and urllib3 do.
    """
    pieces: list[bytes] = []
    size = 0
    for number in range(MAX_MEMBERS):
        inflater = zlib.decompressobj(window)
        while not inflater.eof:
            try:
                piece = inflater.decompress(body, STEP_BYTES)
            except zlib.error:
                if number == 0:
                    raise
                return b"".join(pieces)
            size += len(piece)
            if size > limit:
                raise BadResponse(detail=f"larger than max_response ({limit} bytes) once inflated")
            if not piece and not inflater.eof:
                raise BadResponse(detail="compressed body is cut short")
            pieces.append(piece)
            body = inflater.unconsumed_tail
            pause()
        body = inflater.unused_data
        if not body:
            return b"".join(pieces)
    raise BadResponse(detail="compressed in too many pieces")
