"""Which revision a database is at, and which one this code needs, without Alembic, which is for
``models.database.migrate`` alone.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import sqlalchemy as sa

from models.database import Database

MIGRATIONS = Path(__file__).parents[2] / "migrations"
_VERSIONS = sa.table("alembic_version", sa.column("version_num"))
_REVISION = re.compile(r"^(down_)?revision\b[^=\n]*= *[\"'](\w+)[\"']", re.MULTILINE)


def revision_of(database: Database) -> str | None:
    """Return the revision of a database that is open; None when it has no tables of ours."""
    with database.engine.connect() as connection:
        if not sa.inspect(connection).has_table(_VERSIONS.name):
            return None
        return connection.scalar(sa.select(_VERSIONS.c.version_num))


@cache
def head_revision() -> str:
    """Return the revision that this version of the code needs: the one that no other follows."""
    revisions, followed = _revisions()
    (head,) = revisions - followed
    return head


def revision_exists(revision: str) -> bool:
    """Return whether this version of the code has the revision."""
    return revision in _revisions()[0]


@cache
def _revisions() -> tuple[set[str], set[str]]:
    """Return all revisions, and those that another follows."""
    revisions: set[str] = set()
    followed: set[str] = set()
    for file in (MIGRATIONS / "versions").glob("*.py"):
        for down, revision in _REVISION.findall(file.read_text(encoding="utf-8")):
            (followed if down else revisions).add(revision)
    return revisions, followed
