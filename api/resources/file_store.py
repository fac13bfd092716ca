"""The bytes of files on a disk, kept in step with their rows.

Bytes are written where they will stay, under a name that is nobody's until a row says it. Before
that a locked marker is made, which goes once the bytes are flushed and the row is committed. A
process that dies leaves the marker, unlocked: the next start settles it by asking the database. A
removal is the same the other way round.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sqlalchemy.exc import SQLAlchemyError

from api.threads import run_in_thread
from models import CommitUnknown, Database, File


class FileStore:
    """``folder`` must allow ``flock``, and is shared by processes of one machine."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder.absolute()
        self._markers = self.folder / "pending"
        self._database = database

    @staticmethod
    def place(stored_as: str) -> str:
        """Return where the bytes are, below the folder."""
        return f"{stored_as[:2]}/{stored_as[2:4]}/{stored_as}"

    def path(self, stored_as: str) -> Path:
        return self.folder / self.place(stored_as)

    @contextmanager
    def pending(self, stored_as: str) -> Iterator[None]:
        """Let bytes and row come or go together: at the end no bytes stay without a row."""
        marker, handle = self._mark(stored_as)
        try:
            yield
        except CommitUnknown:
            raise  # the database may still be at it: the marker stays, and a sweep settles it
        except BaseException:
            self._settle(marker, stored_as)
            raise
        else:
            self._settle(marker, stored_as)
        finally:
            os.close(handle)

    @contextmanager
    def writing(self, stored_as: str) -> Iterator[IO[bytes]]:
        """Open a new file to write to; at the end its bytes are on the disk."""
        path = self.path(stored_as)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as out:
            yield out
            out.flush()
            run_in_thread(os.fsync, out.fileno())
        for folder in (path.parent, path.parent.parent, self.folder):
            run_in_thread(_sync_folder, folder)

    def remove(self, stored_as: str) -> None:
        self.path(stored_as).unlink(missing_ok=True)

    def sweep(self) -> int:
        """Settle what processes that died left behind, and return how much that was."""
        settled = 0
        for marker in self._markers.glob("*.*") if self._markers.is_dir() else ():
            with suppress(OSError), marker.open("rb") as handle:
                # Fails for one that a living process holds, which is not ours to judge.
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                settled += self._settle(marker, marker.name.partition(".")[0])
        return settled

    def _mark(self, stored_as: str) -> tuple[Path, int]:
        self._markers.mkdir(parents=True, exist_ok=True)
        while True:
            marker = self._markers / f"{stored_as}.{uuid.uuid4().hex[:8]}"
            handle = os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.fstat(handle).st_nlink:
                return marker, handle
            os.close(handle)  # a sweep came between the two

    def _settle(self, marker: Path, stored_as: str) -> bool:
        """Remove bytes that have no row; where database or disk fails, a sweep finds the marker."""
        try:
            with self._database.read_session() as session:
                keep = File.is_stored(session, stored_as)
            if not keep:
                self.remove(stored_as)
            marker.unlink(missing_ok=True)
        except (SQLAlchemyError, OSError):
            return False
        return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
