"""A catalog in a file, looked at once a second."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gateway.sources.source import SourceError, Stopping

EVERY = 1.0  # seconds between looks
SETTLED = 0.3  # seconds after which a file that nobody wrote to in between counts as written to its end


class _Stamp(NamedTuple):
    """What tells one state of a file from another: symbolic links followed, so that a swapped one shows, too."""

    device: int
    inode: int
    size: int
    written: int
    changed: int

    @property
    def moved_here(self) -> bool:
        """A rename changes an inode's ctime but not its mtime; what writes to it changes both."""
        return self.changed > self.written


_NOTHING = object()


class File:
    """A file that is replaced or rewritten at any time.

    A change is taken once it is whole: at once where the file was renamed into place, else when it stays as it is for
    a moment. What is cut short while it is copied over would often be a catalog, too.
    """

    away = False

    def __init__(self, path: str) -> None:
        self.name = path
        self.label = Path(path).name
        self._path = Path(path)
        self._given: object = _NOTHING

    def read(self) -> str:
        try:
            return self._path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            why = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
            raise SourceError(f"{self.label} {why}", f"{self.name}: {why}") from error

    def following(self, stopping: Stopping) -> str:
        while True:
            stamp = self._stamp()
            if stamp != self._given and self._whole(stamp, stopping):
                self._given = stamp
                text = self.read()
                if self._stamp() == stamp:
                    return text
                self._given = _NOTHING
            elif stopping.wait(EVERY):
                return self.read()

    def close(self) -> None:
        """Nothing to do: ``following`` waits for the event only."""

    def _whole(self, stamp: _Stamp | None, stopping: Stopping) -> bool:
        if stamp and stamp.moved_here:
            return True
        stopping.wait(SETTLED)
        return self._stamp() == stamp

    def _stamp(self) -> _Stamp | None:
        """None where there is no file that can be looked at."""
        try:
            found = self._path.stat()
        except OSError:
            return None
        return _Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
