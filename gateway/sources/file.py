"""A catalog in a file, looked at once a second."""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import NamedTuple, TypeVar

from gateway.clock import ThreadRunner, run_with_timeout
from gateway.sources.base import SourceError
from gateway.system import read_regular

T = TypeVar("T")
MAX_CATALOG_BYTES = 64 * 1024 * 1024
READ_SECONDS = 5.0

POLL_SECONDS = 1.0
MAX_QUIET_POLLS = 10  # of a file that has not changed, before its text is returned again
# Nobody may have written to a file for so long for it to count as written to its end.
WRITTEN_SECONDS = 0.3
# The same for one that took another's place: most are renamed, and whole from the first.
REPLACED_SECONDS = 0.05


class Stamp(NamedTuple):
    """Tells one state of a file from another; of a link's target, so that a swapped link shows."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> Stamp:
        """:raises OSError: it cannot be looked at."""
        stat = path.stat()
        return cls(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


_NEVER = object()


class File:
    """A file that is replaced or rewritten at any time.

    A change is taken once the file stays as it is for a moment: what is cut short while it is
    copied over would often be a catalog, too.

    :param run_in_thread: reads the disk, so that one that hangs holds up nobody else.
    """

    away = False

    def __init__(self, path: str, run_in_thread: ThreadRunner = run_with_timeout) -> None:
        self.name = path
        self.label = Path(path).name
        self._path = Path(path)
        self._returned: object = _NEVER
        self._last: object = None
        self._run_in_thread = run_in_thread
        self._busy = False

    def read(self) -> str:
        try:
            return self._look(lambda: read_regular(self._path, MAX_CATALOG_BYTES)).decode()
        except (OSError, UnicodeDecodeError) as error:
            why = f"cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}"
            raise SourceError(f"{self.label} {why}", why) from error

    def wait_for_text(self, stopping: Event) -> str:
        """Return the text once it has changed; or after a while, as a file it names may exist."""
        polls = 0
        while True:
            polls += 1
            stamp = self._stamp()
            seconds = self._seconds_to_wait(stamp)
            self._last = stamp
            if stopping.wait(seconds) or (stamp == self._returned and polls > MAX_QUIET_POLLS):
                return self.read()
            if stamp != self._returned and stamp == self._stamp():
                self._returned = stamp
                text = self.read()
                if self._stamp() == stamp:
                    return text
                self._returned = _NEVER

    def close(self) -> None:
        """Do nothing: ``wait_for_text`` waits for the event only."""

    def _seconds_to_wait(self, stamp: object) -> float:
        if stamp == self._returned:
            return POLL_SECONDS
        if _same_file(stamp, self._last):
            return WRITTEN_SECONDS
        return REPLACED_SECONDS

    def _stamp(self) -> object:
        """Return what tells one state from another; None where no file can be looked at."""
        try:
            return self._look(lambda: Stamp.of(self._path))
        except OSError:
            return None

    def _look(self, work: Callable[[], T]) -> T:
        """Return the result of work on the disk; while one piece of work hangs no other begins.

        :raises TimeoutError: it does not come in time.
        """

        def work_and_free() -> T:
            try:
                return work()
            finally:
                self._busy = False

        if not self._busy:
            self._busy = True
            with suppress(TimeoutError):
                return self._run_in_thread(work_and_free, READ_SECONDS)
        raise TimeoutError(
            errno.ETIMEDOUT, f"the disk did not answer within {READ_SECONDS:.0f} seconds"
        )


def _same_file(stamp: object, last: object) -> bool:
    if not isinstance(stamp, Stamp) or not isinstance(last, Stamp):
        return False
    return (stamp.device, stamp.inode) == (last.device, last.inode)
