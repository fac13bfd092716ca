"""A catalog in a file, looked at once a second."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

from gateway.clock import ThreadRunner, run_with_timeout
from gateway.sources.base import SourceError, Stopping
from gateway.system import read_regular

T = TypeVar("T")
MAX_CATALOG_BYTES = 64 * 1024 * 1024
READ_SECONDS = 5.0

EVERY = 1.0  # seconds between looks
LOOKS_BEFORE_ANEW = 10  # at a file that has not changed, before its text is given again
WRITTEN = (
    0.3  # seconds for which nobody may have written to a file for it to count as written to its end
)
REPLACED = (
    0.05  # the same for one that took another's place: most are renamed, and whole from the first
)


class _Stamp(NamedTuple):
    """What tells one state of a file from another: symbolic links followed, so that a swapped one shows, too."""

    device: int
    inode: int
    size: int
    written: int
    changed: int


_NOTHING = object()


class File:
    """A file that is replaced or rewritten at any time.

    A change is taken once the file stays as it is for a moment: what is cut short while it is copied over would often
    be a catalog, too.

    :param aside: a disk that hangs, as one on the network may, holds up nobody else.
    """

    away = False

    def __init__(self, path: str, aside: ThreadRunner = run_with_timeout) -> None:
        self.name = path
        self.label = Path(path).name
        self._path = Path(path)
        self._given: object = _NOTHING
        self._seen: _Stamp | None = None
        self._aside = aside
        self._busy = False

    def read(self) -> str:
        try:
            return self._looked(lambda: read_regular(self._path, MAX_CATALOG_BYTES)).decode()
        except (OSError, UnicodeDecodeError) as error:
            why = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
            raise SourceError(f"{self.label} {why}", why) from error

    def following(self, stopping: Stopping) -> str:
        """The text once it has changed; or the same again after a while, as what it names may be there now."""
        looks = 0
        while True:
            looks += 1
            stamp = self._stamp()
            pause = (
                EVERY
                if stamp == self._given
                else WRITTEN
                if _same_file(stamp, self._seen)
                else REPLACED
            )
            self._seen = stamp
            if stopping.wait(pause) or (stamp == self._given and looks > LOOKS_BEFORE_ANEW):
                return self.read()
            if stamp != self._given and stamp == self._stamp():
                self._given = stamp
                text = self.read()
                if self._stamp() == stamp:
                    return text
                self._given = _NOTHING

    def close(self) -> None:
        """Nothing to do: ``following`` waits for the event only."""

    def _stamp(self) -> _Stamp | None:
        """None where there is no file that can be looked at."""
        try:
            found = self._looked(self._path.stat)
        except OSError:
            return None
        return _Stamp(
            found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        )

    def _looked(self, work: Callable[[], T]) -> T:
        """What a look at the disk gives, if it comes back in time; while one hangs there is no other.

        :raises TimeoutError: it does not.
        """

        def look() -> T:
            try:
                return work()
            finally:
                self._busy = False

        if not self._busy:
            self._busy = True
            with suppress(TimeoutError):
                return self._aside(look, READ_SECONDS)
        raise TimeoutError(
            errno.ETIMEDOUT, f"the disk did not answer within {READ_SECONDS:.0f} seconds"
        )


def _same_file(one: _Stamp | None, other: _Stamp | None) -> bool:
    return (
        one is not None
        and other is not None
        and (one.device, one.inode) == (other.device, other.inode)
    )
