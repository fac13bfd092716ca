"""Column types that mean the same on SQLite and PostgreSQL: exact money, and instants with their timezone."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Numeric, TypeDecorator

DIGITS, PLACES = 12, 2
CENT = Decimal(1).scaleb(-PLACES)
MOST = Decimal(10) ** (DIGITS - PLACES) - CENT


class Money(TypeDecorator[Decimal]):
    """``NUMERIC(12, 2)``; on SQLite, whose numerics are floats, a whole number of cents."""

    impl = Numeric(DIGITS, PLACES)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(
            BigInteger() if dialect.name == "sqlite" else Numeric(DIGITS, PLACES)
        )

    def process_bind_param(
        self, value: Decimal | int | None, dialect: Dialect
    ) -> Decimal | int | None:
        if value is None or dialect.name != "sqlite":
            return value
        return int((Decimal(value) / CENT).to_integral_exact())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None or dialect.name != "sqlite":
            return value
        return Decimal(value) * CENT


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: timezone-aware in and out, on databases that forget the timezone (SQLite) too."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a timezone is not an instant")
        return value and value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value and (value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC))


def now() -> datetime:
    return datetime.now(UTC)
