"""What Alembic runs for every command; ``models.migrate`` hands it the connection."""

from typing import Any, Literal

from alembic import context

from models import Base, UtcDateTime
from models.columns import Money


def render_item(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Versions stand alone: a type of ours is written down as what it is in the database."""
    written = {UtcDateTime: "sa.DateTime(timezone=True)", Money: "MONEY"}
    return written.get(type(item), False)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by making it anew
    render_item=render_item,
    transactional_ddl=True,  # whole or not at all; SQLite can, once sqlite3 leaves transactions to us
)
with context.begin_transaction():
    context.run_migrations()
