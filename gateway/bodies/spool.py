"""A body in a temporary file, whose length and hash are known before it is sent."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from gateway.errors import Unavailable
from gateway.streams import RequestStream

MAX_MEMORY_BYTES = 1024 * 1024  # of a body that is not written to disk
CHUNK_BYTES = 65536


class Spool(RequestStream):
    """All of an upload, in a file without a name, which ``close`` removes.

    :ivar sha256: of the body, in hex.
    :raises Unavailable: the disk does not take it.
    """

    def __init__(self, upload: RequestStream) -> None:
        digest = hashlib.sha256()
        length = 0
        self._file = tempfile.SpooledTemporaryFile(MAX_MEMORY_BYTES)  # noqa: SIM115  # closed by ``close``
        try:
            for chunk in upload:
                digest.update(chunk)
                length += len(chunk)
                with _disk_errors():
                    self._file.write(chunk)
            with _disk_errors():
                self._file.seek(0)  # which also writes what is buffered
        except BaseException:
            self.close()
            raise
        super().__init__((), self._file.read, length)
        self.sha256 = digest.hexdigest()
        self.trailers = upload.trailers

    def close(self) -> None:
        with suppress(OSError):  # a full disk, again
            self._file.close()

    def pieces(self) -> Iterator[bytes]:
        with _disk_errors():
            while piece := self._file.read(CHUNK_BYTES):
                yield piece


@contextmanager
def _disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(detail=f"temporary file: {type(error).__name__}: {error}") from error
