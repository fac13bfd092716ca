"""``flask audit list``: what was done to users, apps and others' belongings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import click
import marshmallow
import sqlalchemy as sa
from flask.cli import AppGroup

from cli.accounts import read_session
from cli.output import AS_JSON, print_json, table
from models import AuditEvent
from models.audit import CONDITIONS
from schemas.audit import AuditEventOut, changed_words
from schemas.fields import SINCE

MAX_EVENTS = 10_000  # at once
SECONDS_WIDTH = len("2026-11-21T03:40:00")
audit_cli = AppGroup("audit", help="What was done to accounts and to others' belongings.")


def read_instant(
    context: click.Context, param: click.Parameter, value: str | None
) -> datetime | None:
    """Return a time, of UTC where it tells no offset; a click callback."""
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
        instant = instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        SINCE(instant)
    except (ValueError, marshmallow.ValidationError) as error:
        raise click.BadParameter(
            "give a date or a time, such as 2026-11-21 or 2026-11-21T03:40:00Z"
        ) from error
    return instant


@audit_cli.command("list")
@click.option("--actor", help="user:1, app:shop, cli:ann")
@click.option("--action", help="user.set_role, app.rotate, ...")
@click.option("--object", help="user:7, app:shop, ...")
@click.option("--since", callback=read_instant, help="a date or a time; of UTC unless it says")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_EVENTS),
    default=50,
    show_default=True,
    help="The newest of so many.",
)
@AS_JSON
def list_events(limit: int, as_json: bool, **filters: str | datetime | None) -> None:
    """Print the newest events, the last one at the end."""
    query = sa.select(AuditEvent).order_by(AuditEvent.id.desc()).limit(limit)
    for name, value in filters.items():
        if value is not None:
            query = query.where(CONDITIONS[name](value))
    with read_session() as session:
        events = AuditEventOut(many=True).dump(reversed(session.scalars(query).all()))
    if as_json:
        print_json(events)
        return
    names = [name for name in AuditEventOut().fields if name != "id"]
    rows = [[_format(name, event[name]) for name in names] for event in events]
    click.echo("\n".join(table([name.upper() for name in names], rows)))


def _format(name: str, value: Any) -> str:
    if name == "created_at":
        return f"{value[:SECONDS_WIDTH]}Z"
    if isinstance(value, dict):
        return changed_words(value) or "-"
    return "-" if value is None else str(value)
