"""A copy on disk of the last good catalog, for a start while its source is away or wrong."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from gateway.system import read_regular

MAX_COPY_BYTES = 65 * 1024 * 1024  # a catalog's and the first line


class Copy(NamedTuple):
    """:param written_at: Unix seconds."""

    text: str
    written_at: float


class LastGood:
    """A text and the name of its source; a copy of another source does not count.

    Many processes may write; each text is there whole or not at all, for its owner's eyes only.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._first_line = f"# Postern's copy of the last good catalog in {source}\n"

    def read(self) -> Copy | None:
        """Return the copy; None where there is none of this source."""
        try:
            content = read_regular(self.path, MAX_COPY_BYTES).decode()
            written_at = self.path.stat().st_mtime
        except (OSError, UnicodeDecodeError):
            return None
        if not content.startswith(self._first_line):
            return None
        return Copy(content.removeprefix(self._first_line), written_at)

    def write(self, text: str) -> None:
        """:raises OSError: it cannot be written."""
        copy = self.read()
        if copy and copy.text == text:
            return
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, prefix=f".{self.path.name}.")  # with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                out.write(self._first_line + text)
                out.flush()
                os.fsync(out.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
