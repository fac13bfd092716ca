"""A catalog in a folder: every ``*.yaml`` in it, one catalog; looked at once a second."""

from __future__ import annotations

from pathlib import Path

from gateway.catalog.yaml.folder import join_files
from gateway.sources.base import SourceError
from gateway.sources.file import MAX_CATALOG_BYTES, POLL_SECONDS, WRITTEN_SECONDS, File, Stamp
from gateway.system import read_regular

PATTERN = "*.yaml"
MAX_FILES = 1000


class Folder(File):
    """Files that come, go and are rewritten at any time; hidden ones, as editors make, are none.

    A change is taken once all of them stay as they are for a moment.
    """

    def read(self) -> str:
        try:
            return self._look(self._read_files)
        except (OSError, ValueError) as error:
            why = f"cannot be read: {getattr(error, 'strerror', None) or error}"
            raise SourceError(f"{self.label} {why}", why) from error

    def _read_files(self) -> str:
        """:raises ValueError: there is none, one cannot be read, or they are too many or large."""
        texts = {}
        bytes_left = MAX_CATALOG_BYTES
        for path in self._files():
            try:
                content = read_regular(path, bytes_left)
                texts[path.name] = content.decode()
            except (OSError, UnicodeDecodeError) as error:
                why = getattr(error, "strerror", None) or "it is not UTF-8"
                raise ValueError(f"{path.name}: {why}") from error
            bytes_left -= len(content)
        if not texts:
            raise ValueError(f"there is no {PATTERN} in it")
        return join_files(texts)

    def _files(self) -> list[Path]:
        files = sorted(path for path in self._path.glob(PATTERN) if not path.name.startswith("."))
        if len(files) > MAX_FILES:
            raise ValueError(f"it has more than {MAX_FILES} files")
        return files

    def _stamp(self) -> object:
        try:
            return self._look(lambda: tuple((file, Stamp.of(file)) for file in self._files()))
        except (OSError, ValueError):
            return None

    def _seconds_to_wait(self, stamp: object) -> float:
        return POLL_SECONDS if stamp == self._returned else WRITTEN_SECONDS
