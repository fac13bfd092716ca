"""ETags: unchanged reads are not sent again, writes on changed ones are refused (RFC 9110, 13)."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

import orjson
from flask import Response, request
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from api.errors import NotAcceptable, PreconditionFailed
from api.http.responses import success_response
from api.request_context import current_context
from gateway.bodies import dump_json

MAX_ACCEPTS = 64  # ``Accept`` headers that are taken apart once


def etag_of(row: Any) -> str:
    """Return the ETag of a row, from its version."""
    return f"{row.id}-{row.version}"


def hash_etag(digest: hashlib._Hash) -> str:
    """Return the ETag of a content that has no version, from its SHA-256."""
    return digest.hexdigest()[:32]


def etag_response(data: Any, etag: str | None = None, status: int = 200) -> Response:
    """Return the envelope with its ETag, or 304. Without ``etag`` it is made from the data.

    :raises NotAcceptable: a read whose ``Accept`` allows no JSON.
    """
    environ = current_context().request.environ
    reads = environ["REQUEST_METHOD"] in ("GET", "HEAD")
    if reads and "HTTP_ACCEPT" in environ and not _accepts_json(environ["HTTP_ACCEPT"]):
        raise NotAcceptable  # a write is done by now, and says so in JSON
    if etag is None:
        body = dump_json(data)
        etag = hash_etag(sha256(body))
        data = orjson.Fragment(body)
    if reads and is_unchanged(etag):
        response = Response(status=304)
    else:
        response = success_response(data, status)
    response.headers.add("ETag", f'"{etag}"')
    response.headers.add("Cache-Control", "private, no-cache")
    return response


def is_unchanged(etag: str) -> bool:
    """Return whether ``If-None-Match`` names the ETag."""
    incoming = current_context().request
    if "HTTP_IF_NONE_MATCH" not in incoming.environ:
        return False
    return bool(_plain(incoming.if_none_match).contains_weak(etag))


def parse_accept(accept: str) -> MIMEAccept:
    """Return what an ``Accept`` header takes, without parameters: ours have ``charset`` alone.

    A run of blanks is made one: werkzeug's time grows with the square of its length.
    """
    accepted = parse_accept_header(" ".join(accept.split()), MIMEAccept)
    return MIMEAccept((name.partition(";")[0], quality) for name, quality in accepted)


@lru_cache(maxsize=MAX_ACCEPTS)
def _accepts_json(accept: str) -> bool:
    accepted = parse_accept(accept)
    return not accepted or accepted.quality("application/json") > 0


def check_match(row: Any | None) -> None:
    """:raises PreconditionFailed: ``If-Match`` names another version, or there is no row at all."""
    check_etag(row and etag_of(row))


def check_etag(etag: str | None) -> None:
    """Check ``If-Match``. Weak ETags count as strong: proxies weaken them (RFC 9110, 8.8.1).

    :param etag: of the present state, if there is any.
    :raises PreconditionFailed: ``If-Match`` is there and does not name it.
    """
    incoming = current_context().request
    if "HTTP_IF_MATCH" not in incoming.environ:
        return
    if etag is None or not _plain(incoming.if_match).contains_weak(etag):
        raise PreconditionFailed


def _plain(etags: Any) -> Any:
    """Return ETags without Flask-Compress's suffix; werkzeug reads ``""`` as None."""
    strong = [(etag or "").partition(":")[0] for etag in etags.as_set(include_weak=False)]
    weak = [(etag or "").partition(":")[0] for etag in etags.as_set(include_weak=True)]
    return type(etags)(strong, weak, etags.star_tag)


# --- pages that change seldom and are sent to everybody

#: A larger page is not compressed anew for a caller who takes no gzip.
MAX_RECOMPRESSED_BYTES = 1024 * 1024


@dataclass(frozen=True)
class CompressedPage:
    """A page that is held compressed, and is not sent again to a caller who has it.

    :param packed: gzip; ``size`` is its bytes, unpacked.
    """

    packed: bytes = field(repr=False)
    content_type: str
    etag: str
    size: int

    @classmethod
    def of(cls, body: bytes, content_type: str) -> CompressedPage:
        return cls(gzip.compress(body, mtime=0), content_type, hash_etag(sha256(body)), len(body))

    def body(self) -> bytes:
        return gzip.decompress(self.packed)

    def response(self) -> Response:
        if is_unchanged(self.etag):
            response = Response(status=304)
        elif request.accept_encodings.quality("gzip") > 0:
            response = Response(self.packed, content_type=self.content_type)
            response.headers["Content-Encoding"] = "gzip"
        else:
            response = Response(self.body(), content_type=self.content_type)
        response.set_etag(self.etag, weak=True)  # the same for all codings
        response.headers["Cache-Control"] = "no-cache"
        if self.size > MAX_RECOMPRESSED_BYTES:
            response.headers["Cache-Control"] = "no-cache, no-transform"
        response.headers["Vary"] = "Accept-Encoding"
        return response
