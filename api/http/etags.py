"""ETags: a read that has not changed is not sent again, a write on what has changed is refused (RFC 9110, 13)."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from flask import Response, request

from api.errors import NotAcceptable, PreconditionFailed
from api.http.responses import success_response
from gateway.bodies import dump_json

# conditional: ETags: a read that has not changed is not sent again, a write on what has changed is refused (RFC
# 9110, 13).


def etag_of(row: Any) -> str:
    """An item's, from its version."""
    return f"{row.id}-{row.version}"


def hash_etag(digest: hashlib._Hash) -> str:
    """Return the ETag of a content that has no version, from its SHA-256."""
    return digest.hexdigest()[:32]


def etag_response(data: Any, etag: str | None = None, status: int = 200) -> Response:
    """The envelope with its ETag, or 304. Without ``etag`` it is made from the data."""
    reads = request.method in ("GET", "HEAD")
    if reads and "Accept" in request.headers and not _accepts_json():
        raise NotAcceptable  # a write is done by now, and says so in JSON
    etag = etag or hash_etag(sha256(dump_json(data)))
    response = (
        Response(status=304) if reads and is_unchanged(etag) else success_response(data, status)
    )
    response.set_etag(etag)
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def is_unchanged(etag: str) -> bool:
    """Whether ``If-None-Match`` names it."""
    return "If-None-Match" in request.headers and _plain(request.if_none_match).contains_weak(etag)


def _accepts_json() -> bool:
    return not request.accept_mimetypes or request.accept_mimetypes.quality("application/json") > 0


def check_match(row: Any | None) -> None:
    """:raises PreconditionFailed: ``If-Match`` is there and names another version, or there is no row at all."""
    check_etag(None if row is None else etag_of(row))


def check_etag(etag: str | None) -> None:
    """A weak one counts as the strong one that we gave: a proxy that compresses makes it so (RFC 9110, 8.8.1).

    :param etag: what there is now, if anything.
    :raises PreconditionFailed: ``If-Match`` is there and does not name it.
    """
    if request.if_match and (etag is None or not _plain(request.if_match).contains_weak(etag)):
        raise PreconditionFailed


def _plain(etags: Any) -> Any:
    """Without what Flask-Compress appends to the ETag of a compressed answer; werkzeug reads ``""`` as None."""
    strip = [(etag or "").partition(":")[0] for etag in etags.as_set(include_weak=False)]
    weak = [(etag or "").partition(":")[0] for etag in etags.as_set(include_weak=True)]
    return type(etags)(strip, weak, etags.star_tag)


# pages: What changes seldom and is asked for by everybody: kept packed, and not sent again to who has it.

LARGE = 1024 * 1024  # bytes; what is larger is not compressed anew for whoever does not take gzip


@dataclass(frozen=True)
class CompressedPage:
    """:param packed: gzip.
    :param etag: of what is in it.
    :param size: bytes, unpacked.
    """

    packed: bytes = field(repr=False)
    kind: str
    etag: str
    size: int

    @classmethod
    def of(cls, body: bytes, kind: str) -> CompressedPage:
        return cls(gzip.compress(body, mtime=0), kind, hash_etag(sha256(body)), len(body))

    def body(self) -> bytes:
        return gzip.decompress(self.packed)

    def answer(self) -> Response:
        if is_unchanged(self.etag):
            response = Response(status=304)
        elif request.accept_encodings.quality("gzip") > 0:
            response = Response(self.packed, content_type=self.kind)
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = Response(self.body(), content_type=self.kind)
        response.set_etag(self.etag, weak=True)  # the same for all codings
        response.headers["Cache-Control"] = (
            "no-cache, no-transform" if self.size > LARGE else "no-cache"
        )
        response.headers["Vary"] = "Accept-Encoding"
        return response
