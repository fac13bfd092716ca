"""The last good catalog on disk, for who starts while its source is away or wrong."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from gateway.regular_file import read_regular

MAX_COPY_BYTES = 65 * 1024 * 1024  # a catalog's and the first line


class LastGood:
    """A text and where it came from. What came from elsewhere does not count: it would be another catalog.

    Many processes may write; each text is there whole or not at all, for its owner's eyes only.
    """

    def __init__(self, path: Path, source: str) -> None:
        self.path = path
        self._first_line = f"# Postern's copy of the last good catalog in {source}\n"

    def read(self) -> tuple[str, float] | None:
        """The text and when it was written (Unix seconds); None where there is none of this source."""
        try:
            content = read_regular(self.path, MAX_COPY_BYTES).decode()
            written = self.path.stat().st_mtime
        except (OSError, UnicodeDecodeError):
            return None
        first, text = content[: len(self._first_line)], content[len(self._first_line) :]
        return (text, written) if first == self._first_line else None

    def write(self, text: str) -> None:
        """:raises OSError: it cannot be written."""
        kept = self.read()
        if kept and kept[0] == text:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")  # with mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as out:
                out.write(self._first_line + text)
                out.flush()
                os.fsync(out.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
