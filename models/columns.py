"""Exact money and timezone-aware instants, alike on SQLite and PostgreSQL.

On SQLite one function writes a value and one reads it, in place of SQLAlchemy's three.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

MONEY_DIGITS = 12
MONEY_DECIMALS = 2
CENT = Decimal(1).scaleb(-MONEY_DECIMALS)


class Money(sa.TypeDecorator[Decimal]):
    """``NUMERIC(12, 2)``; on SQLite, whose numerics are floats, an integer of cents."""

    impl = sa.Numeric(MONEY_DIGITS, MONEY_DECIMALS)
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.BigInteger())
        return dialect.type_descriptor(sa.Numeric(MONEY_DIGITS, MONEY_DECIMALS))

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "sqlite":
            return _to_cents
        return super().bind_processor(dialect)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        if dialect.name == "sqlite":
            return _read_cents
        return super().result_processor(dialect, coltype)


def _to_cents(value: Decimal | int | None) -> int | None:
    return None if value is None else int((Decimal(value) / CENT).to_integral_exact())


def _read_cents(cents: int | None) -> Decimal | None:
    return None if cents is None else Decimal(cents) * CENT


class UtcDateTime(sa.TypeDecorator[datetime]):
    """A timezone-aware instant, also on SQLite, which does not store the timezone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value and _to_utc(value)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        if dialect.name == "sqlite":
            return _to_text
        return super().bind_processor(dialect)

    def result_processor(self, dialect: sa.Dialect, coltype: object) -> Any:
        if dialect.name == "sqlite":
            return _read_utc
        return super().result_processor(dialect, coltype)


def _to_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time without a timezone is not an instant")
    return value.astimezone(UTC)


def _to_text(value: datetime | None) -> str | None:
    """Return the instant as SQLAlchemy's own type writes it, which tells no timezone."""
    if value is None:
        return None
    return _to_utc(value).replace(tzinfo=None).isoformat(" ", "microseconds")


def _read_utc(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


def utc_now() -> datetime:
    """Return the current instant, as rows are stamped with it."""
    return datetime.now(UTC)
