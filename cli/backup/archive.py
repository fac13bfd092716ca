"""A backup: a tar archive, which is written and read part by part.

    tables/users.jsonl     a line for each row; all tables of one moment
    files/3f0c...          the bytes of an uploaded file
    manifest.json          written last: an archive that has it is whole

Keys are not in it. What they seal, apps' secrets among it, is, and opens again with the same keys.
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Literal

import click
from sqlalchemy.exc import SQLAlchemyError

from api.resources.file_store import FileStore
from cli.output import count
from models.backup import TABLES, Snapshot, loading
from models.database import revisions

FORMAT = 1
MANIFEST = "manifest.json"
CHUNK_BYTES = 1 << 20
#: Whoever was logged in logs in again: tokens that were revoked since must not come back. Who was
#: on the way back from a vendor's page begins anew.
DROPPED_TABLES = frozenset({"refresh_tokens", "connection_requests"})
STORED_NAME = re.compile(r"[0-9a-f]{32}")
GZIP_SUFFIXES = (".gz", ".tgz")


class ArchiveWriter:
    """Adds the parts of a backup to a new archive.

    :param folder: with room for one table.
    :ivar missing_files: rows of files whose bytes are not there.
    """

    def __init__(self, archive: tarfile.TarFile, folder: Path) -> None:
        self.missing_files: list[str] = []
        self._archive = archive
        self._folder = folder
        self._row_counts: dict[str, int] = {}
        self._digests: dict[str, str] = {}
        self._last_ids: dict[str, int] = {}
        self._stored_names: list[str] = []

    def add_tables(self, tables: Snapshot) -> None:
        for name in TABLES:
            self._add_table(name, tables)
        self._last_ids = tables.last_ids()

    def _add_table(self, name: str, tables: Snapshot) -> None:
        digest = hashlib.sha256()
        written = 0
        with TemporaryFile(dir=self._folder) as spool:
            for line in tables.lines(name):
                spool.write(line)
                digest.update(line)
                written += 1
                if name == "files":
                    self._stored_names.append(json.loads(line)["stored_as"])
            size = spool.tell()
            spool.seek(0)
            self._archive.addfile(_member(f"tables/{name}.jsonl", size), spool)
        self._row_counts[name] = written
        self._digests[name] = digest.hexdigest()

    def add_files(self, store: FileStore) -> None:
        for name in self._stored_names:
            try:
                with store.path(name).open("rb") as content:
                    size = os.fstat(content.fileno()).st_size
                    self._archive.addfile(_member(f"files/{name}", size), content)
            except FileNotFoundError:  # deleted since
                self.missing_files.append(name)

    def add_manifest(self) -> None:
        manifest = {
            "format": FORMAT,
            "revision": revisions.head_revision(),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "rows": self._row_counts,
            "sha256": self._digests,
            "last_ids": self._last_ids,
            "lost_files": self.missing_files,
        }
        body = json.dumps(manifest, indent=2).encode()
        self._archive.addfile(_member(MANIFEST, len(body)), io.BytesIO(body))

    def summary(self) -> str:
        return _summary(self._row_counts, len(self._stored_names) - len(self.missing_files))


class ArchiveReader:
    """Reads the parts of a backup.

    :raises click.ClickException: it is not whole, or of a version that is newer than this one.
    """

    def __init__(self, archive: tarfile.TarFile, file: Path) -> None:
        self._archive = archive
        self._file = file
        self._file_count = 0
        manifest = self._manifest()
        self.revision: str = manifest["revision"]
        self.created_at: str = manifest["created_at"]
        self._row_counts: dict[str, int] = manifest["rows"]
        self._digests: dict[str, str] = manifest["sha256"]
        self._last_ids: dict[str, int] = manifest["last_ids"]
        self._missing_files = set(manifest["lost_files"])

    def _manifest(self) -> dict[str, Any]:
        try:
            body = self._content(MANIFEST).read()
        except KeyError as error:
            raise self._problem("its manifest, which is written last, is missing") from error
        manifest: dict[str, Any] = json.loads(body)
        if manifest.get("format") != FORMAT or not revisions.revision_exists(manifest["revision"]):
            raise self._problem("it was made by a newer version of Postern")
        return manifest

    def extract_files(self, store: FileStore) -> None:
        """Write the bytes of files to their places; those that are there already stay.

        :raises click.ClickException: bytes are missing or are not those that were uploaded.
        """
        for line in self._lines("files"):
            row = json.loads(line)
            name = row["stored_as"]
            if not STORED_NAME.fullmatch(name):
                raise self._problem(f"{name!r} is no name of a file")
            if name in self._missing_files:
                continue
            self._extract(name, row["sha256"], store)
            self._file_count += 1

    def _extract(self, name: str, sha256: str, store: FileStore) -> None:
        path = store.path(name)
        if path.exists() and _sha256_of(path) == sha256:  # an earlier try got that far
            return
        path.unlink(missing_ok=True)
        digest = hashlib.sha256()
        try:
            content = self._content(f"files/{name}")
        except KeyError as error:
            raise self._problem(f"the bytes of {name} are missing") from error
        with store.writing(name) as out:
            while chunk := content.read(CHUNK_BYTES):
                digest.update(chunk)
                out.write(chunk)
        if digest.hexdigest() != sha256:
            path.unlink()
            raise self._problem(f"the bytes of {name} are not those that were uploaded")

    def load_tables(self, url: str) -> None:
        """Insert all rows in one transaction."""
        with loading(url) as loader:
            for name in self._row_counts:
                if name not in DROPPED_TABLES:
                    loader.insert(name, self._lines(name))
            loader.advance_ids(self._last_ids)

    def _lines(self, name: str) -> Iterator[bytes]:
        """:raises click.ClickException: they are not those that were written."""
        digest = hashlib.sha256()
        for line in self._content(f"tables/{name}.jsonl"):
            digest.update(line)
            yield line
        if digest.hexdigest() != self._digests[name]:
            raise self._problem(f"the rows of {name} are not those that were written")

    def _content(self, name: str) -> IO[bytes]:
        content = self._archive.extractfile(name)
        if content is None:
            raise KeyError(name)
        return content

    def _problem(self, what: str) -> click.ClickException:
        return click.ClickException(f"{self._file} cannot be restored: {what}")

    def summary(self) -> str:
        return _summary(self._row_counts, self._file_count)


@contextmanager
def new_archive(file: Path) -> Iterator[tarfile.TarFile]:
    """Open a new archive, which has its name once it is whole and on the disk."""
    if file.exists():
        raise click.ClickException(f"{file} is there already")
    part = file.with_name(f"{file.name}.part")
    mode: Literal["w", "w:gz"] = "w:gz" if file.suffix in GZIP_SUFFIXES else "w"
    try:
        # Path.open has no opener.
        with open(part, "ab", opener=_private) as out:
            fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            out.truncate(0)  # what one that died left
            with tarfile.open(fileobj=out, mode=mode) as archive:
                yield archive
            out.flush()
            os.fsync(out.fileno())
            part.replace(file)
    except BlockingIOError as error:
        raise click.ClickException(f"another backup to {file} runs") from error
    except OSError as error:
        part.unlink(missing_ok=True)
        raise click.ClickException(f"{file} cannot be written ({error.strerror})") from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


@contextmanager
def open_archive(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(file) as archive:
            yield archive
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise click.ClickException(f"{file} is no backup, or not whole ({error})") from error
    except OSError as error:
        raise click.ClickException(f"{file} cannot be restored ({error})") from error
    except (LookupError, TypeError, AttributeError, SQLAlchemyError) as error:
        # Not the error's own words, which may quote rows.
        kind = type(error).__name__
        raise click.ClickException(f"{file} is not what a backup makes ({kind})") from error


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    return member


def _summary(row_counts: dict[str, int], file_count: int) -> str:
    counts = [
        count(number, name.removesuffix("s")) for name, number in row_counts.items() if number
    ]
    return f"{', '.join(counts) or 'no rows'}; bytes of {count(file_count, 'file')}"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
