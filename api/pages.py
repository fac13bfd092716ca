"""What changes seldom and is asked for by everybody: kept packed, and not sent again to who has it."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from hashlib import sha256

from flask import Response, request

from api.conditional import is_unchanged

LARGE = 1024 * 1024  # bytes; what is larger is not compressed anew for whoever does not take gzip


@dataclass(frozen=True)
class Page:
    """:param packed: gzip.
    :param etag: of what is in it.
    :param size: bytes, unpacked.
    """

    packed: bytes = field(repr=False)
    kind: str
    etag: str
    size: int

    @classmethod
    def of(cls, body: bytes, kind: str) -> Page:
        return cls(gzip.compress(body, mtime=0), kind, sha256(body).hexdigest()[:32], len(body))

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
        response.headers["Cache-Control"] = "no-cache, no-transform" if self.size > LARGE else "no-cache"
        response.headers["Vary"] = "Accept-Encoding"
        return response
