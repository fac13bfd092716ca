"""``flask backup FILE`` and ``flask restore FILE``: the database and the files in one archive."""

from __future__ import annotations

from pathlib import Path

import click
import sqlalchemy as sa
from flask.cli import with_appcontext

from api.context import app_state
from cli.accounts import load_auth, report_database_errors, url_without_password
from cli.backup.archive import ArchiveReader, ArchiveWriter, new_archive, open_archive
from cli.files import FileArgument
from cli.output import count
from cli.secrets import SealStates
from models import AccountConnection
from models.backup import first_filled_table, snapshot
from models.connections import CONNECTED
from models.database import migrate, revisions

RESTORED = "restored from a backup, since which its refresh token may have been used"
PATH = FileArgument(dir_okay=False, path_type=Path)


@click.command("backup")
@click.argument("file", type=PATH)
@with_appcontext
def backup(file: Path) -> None:
    """Write the database and the files to FILE (.tar or .tar.gz), while the server runs."""
    with report_database_errors():
        _require_revision()
    with new_archive(file) as archive, report_database_errors():
        writer = ArchiveWriter(archive, file.absolute().parent)
        with snapshot(app_state().settings.database_url) as tables:
            writer.add_tables(tables)
        writer.add_files(app_state().files)
        writer.add_manifest()
    click.echo(f"{file}: {writer.summary()}")
    for name in writer.missing_files:
        click.echo(f"warning: the bytes of {name} are not there", err=True)
    click.echo("The keys are not in it: keep JWT_SECRET and SECRETS_KEY elsewhere.")


@click.command("restore")
@click.argument("file", type=FileArgument(exists=True, dir_okay=False, path_type=Path))
@with_appcontext
def restore(file: Path) -> None:
    """Fill an empty database, and the folder of files, from FILE."""
    url = app_state().settings.database_url
    with open_archive(file) as archive, report_database_errors("a row is in it twice"):
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
    with app_state().database.read_session() as session:
        lost_apps = SealStates.read(session, load_auth().app_secrets).lost_apps
    if lost_apps:
        click.echo(
            f"warning: the secrets of {count(len(lost_apps), 'app')} cannot be opened: put the key "
            "that sealed them into SECRETS_PREVIOUS_KEYS, or rotate these apps",
            err=True,
        )


def _require_revision() -> None:
    url = app_state().settings.database_url
    current = migrate.current_revision(url)
    head = revisions.head_revision()
    if current != head:
        raise click.ClickException(
            f"the database {url_without_password(url)} is at {current or 'no revision'}, "
            f"not at {head}; "
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
    query = sa.select(AccountConnection).where(AccountConnection.state == CONNECTED, may_rotate)
    with app_state().database.write_session() as session:
        rows = session.scalars(query.order_by(AccountConnection.service)).all()
        for row in rows:
            row.lose(RESTORED)
        return [row.service for row in rows]
