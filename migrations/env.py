"""The script that Alembic runs for every command; ``models.database.migrate`` hands it the
connection.
"""

from typing import Any, Literal

from alembic import context

from models import Base, UtcDateTime
from models.columns import Money


def render_item(kind: str, item: Any, _: Any) -> str | Literal[False]:
    """Write our column types as the database's, so that a revision does not depend on our code."""
    sources = {UtcDateTime: "sa.DateTime(timezone=True)", Money: "MONEY"}
    return sources.get(type(item), False)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite alters a table by creating it anew
    render_item=render_item,
    transactional_ddl=True,  # SQLite can, since sqlite3 leaves transactions to us
)
with context.begin_transaction():
    context.run_migrations()
