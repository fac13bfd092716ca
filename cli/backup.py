"""``flask backup FILE`` and ``flask restore FILE``: the database and the files in one tar archive.

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
from flask.cli import with_appcontext
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from api.context import app_state
from api.resources.file_store import FileStore
from cli.accounts import loaded_auth, report_database_errors, shown_url
from cli.files import FileArgument
from models import AccountConnection, App
from models.backup import TABLES, Snapshot, first_filled_table, loading, snapshot
from models.connections import CONNECTED
from models.database import migrate, revisions

FORMAT = 1
MANIFEST = "manifest.json"
CHUNK_BYTES = 1 << 20
#: Whoever was logged in logs in again: tokens that were revoked since must not come back. Who was
#: on the way back from a vendor's page begins anew.
DROPPED_TABLES = frozenset({"refresh_tokens", "connection_requests"})
RESTORED = "restored from a backup, since which its refresh token may have been used"
STORED_NAME = re.compile(r"[0-9a-f]{32}")
GZIP_SUFFIXES = (".gz", ".tgz")
PATH = FileArgument(dir_okay=False, path_type=Path)


@click.command("backup")
@click.argument("file", type=PATH)
@with_appcontext
def backup(file: Path) -> None:
    """Write the database and the files to FILE (.tar or .tar.gz), while the server runs."""
    with report_database_errors(""):
        _require_revision()
    with _new_archive(file) as archive, report_database_errors(""):
        writer = ArchiveWriter(archive, file.absolute().parent)
        with snapshot(app_state().settings.database_url) as tables:
            writer.add_tables(tables)
        writer.add_files(app_state().files)
        writer.add_manifest()
    click.echo(f"{file}: {writer.summary()}")
    for name in writer.lost_files:
        click.echo(f"warning: the bytes of {name} are not there", err=True)
    click.echo("The keys are not in it: keep JWT_SECRET and SECRETS_KEY elsewhere.")


@click.command("restore")
@click.argument("file", type=FileArgument(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def restore(file: Path) -> None:
    """Fill an empty database, and the folder of files, from FILE."""
    url = app_state().settings.database_url
    with _open_archive(file) as archive, report_database_errors("a row is in it twice"):
        reader = ArchiveReader(archive, file)
        if filled := first_filled_table(url):
            raise click.ClickException(
                f"the database has rows already (in {filled}); restore into an empty one"
            )
        reader.extract_files(app_state().files)
        _migrate_empty(url, reader.revision)
        reader.load_tables(url)
        migrate.upgrade(url)
    click.echo(f"{file}: {reader.summary()}, as of {reader.created_at}")
    click.echo("Everybody logs in again.")
    if services := _lose_connections():
        click.echo(f"warning: connect these accounts again: {', '.join(services)}", err=True)
    if lost := _lost_secrets():
        click.echo(
            f"warning: {lost} apps' secrets cannot be opened: put the key that sealed them into "
            "SECRETS_PREVIOUS_KEYS, or rotate these apps",
            err=True,
        )


class ArchiveWriter:
    """Adds the parts of a backup to a new archive.

    :param folder: with room for one table.
    :ivar lost_files: rows of files whose bytes are not there.
    """

    def __init__(self, archive: tarfile.TarFile, folder: Path) -> None:
        self.lost_files: list[str] = []
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
        count = 0
        with TemporaryFile(dir=self._folder) as spool:
            for line in tables.lines(name):
                spool.write(line)
                digest.update(line)
                count += 1
                if name == "files":
                    self._stored_names.append(json.loads(line)["stored_as"])
            size = spool.tell()
            spool.seek(0)
            self._archive.addfile(_member(f"tables/{name}.jsonl", size), spool)
        self._row_counts[name] = count
        self._digests[name] = digest.hexdigest()

    def add_files(self, store: FileStore) -> None:
        for name in self._stored_names:
            try:
                with store.path(name).open("rb") as content:
                    size = os.fstat(content.fileno()).st_size
                    self._archive.addfile(_member(f"files/{name}", size), content)
            except FileNotFoundError:  # deleted since
                self.lost_files.append(name)

    def add_manifest(self) -> None:
        manifest = {
            "format": FORMAT,
            "revision": revisions.head_revision(),
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "rows": self._row_counts,
            "sha256": self._digests,
            "last_ids": self._last_ids,
            "lost_files": self.lost_files,
        }
        body = json.dumps(manifest, indent=2).encode()
        self._archive.addfile(_member(MANIFEST, len(body)), io.BytesIO(body))

    def summary(self) -> str:
        return _summary(self._row_counts, len(self._stored_names) - len(self.lost_files))


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
        self._lost_files = set(manifest["lost_files"])

    def _manifest(self) -> dict[str, Any]:
        try:
            body = self._content(MANIFEST).read()
        except KeyError as error:
            raise self._problem("its manifest, which is written last, is missing") from error
        manifest: dict[str, Any] = json.loads(body)
        if manifest.get("format") != FORMAT or not revisions.is_known(manifest["revision"]):
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
            if name in self._lost_files:
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
def _new_archive(file: Path) -> Iterator[tarfile.TarFile]:
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
def _open_archive(file: Path) -> Iterator[tarfile.TarFile]:
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
    counts = [f"{count} {name}" for name, count in row_counts.items() if count]
    return f"{', '.join(counts) or 'no rows'}; bytes of {file_count} files"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _require_revision() -> None:
    url = app_state().settings.database_url
    current = migrate.current_revision(url)
    head = revisions.head_revision()
    if current != head:
        raise click.ClickException(
            f"the database {shown_url(url)} is at {current or 'no revision'}, not at {head}; "
            "back it up with the version that it is of, or try: flask db upgrade"
        )


def _migrate_empty(url: str, revision: str) -> None:
    """Bring an empty database to a revision, which may be an older one."""
    current = migrate.current_revision(url)
    if current != revision:
        if current is not None:
            migrate.downgrade(url, "base")
        migrate.upgrade(url, revision)


def _lose_connections() -> list[str]:
    """Have refresh tokens that are good once not be sent by two databases; return their services.

    Where no answer has told yet whether the vendor rotates them, it may.
    """
    may_rotate = AccountConnection.rotates.is_not(False)
    query = select(AccountConnection).where(AccountConnection.state == CONNECTED, may_rotate)
    with app_state().database.write_session() as session:
        rows = session.scalars(query.order_by(AccountConnection.service)).all()
        for row in rows:
            row.lose(RESTORED)
        return [row.service for row in rows]


def _lost_secrets() -> int:
    """Count the apps whose secret the keys at hand do not open."""
    state = loaded_auth().app_secrets.state
    with app_state().database.read_session() as session:
        return sum(state(app.secret) == "lost" for app in session.query(App))
