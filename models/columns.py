"""Exact money and timezone-aware instants, alike on SQLite and PostgreSQL.

On SQLite a value is read by one function, in place of the three that SQLAlchemy would call.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Numeric, TypeDecorator

MONEY_DIGITS = 12
MONEY_DECIMALS = 2
CENT = Decimal(1).scaleb(-MONEY_DECIMALS)


class Money(TypeDecorator[Decimal]):
    """``NUMERIC(12, 2)``; on SQLite, whose numerics are floats, an integer of cents."""

    impl = Numeric(MONEY_DIGITS, MONEY_DECIMALS)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(Numeric(MONEY_DIGITS, MONEY_DECIMALS))

    def process_bind_param(
        self, value: Decimal | int | None, dialect: Dialect
    ) -> Decimal | int | None:
        if value is None or dialect.name != "sqlite":
            return value
        return int((Decimal(value) / CENT).to_integral_exact())

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if dialect.name == "sqlite":
            return _read_cents
        return super().result_processor(dialect, coltype)


def _read_cents(cents: int | None) -> Decimal | None:
    return None if cents is None else Decimal(cents) * CENT


class UtcDateTime(TypeDecorator[datetime]):
    """A timezone-aware instant, also on SQLite, which does not store the timezone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a timezone is not an instant")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and value.astimezone(UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        if dialect.name == "sqlite":
            return _read_utc
        return super().result_processor(dialect, coltype)


def _read_utc(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(f"{text}+00:00")


def utc_now() -> datetime:
    """Return the current instant, as rows are stamped with it."""
    return datetime.now(UTC)
