"""Money: exact decimals in and out, on databases that have none (SQLite) too."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Dialect, Numeric, TypeDecorator

DIGITS, PLACES = 12, 2
CENT = Decimal(1).scaleb(-PLACES)
MOST = Decimal(10) ** (DIGITS - PLACES) - CENT


class Money(TypeDecorator[Decimal]):
    """``NUMERIC(12, 2)``; on SQLite, whose numerics are floats, a whole number of cents."""

    impl = Numeric(DIGITS, PLACES)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(DIGITS, PLACES))

    def process_bind_param(self, value: Decimal | int | None, dialect: Dialect) -> Decimal | int | None:
        if value is None or dialect.name != "sqlite":
            return value
        return int((Decimal(value) / CENT).to_integral_exact())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None or dialect.name != "sqlite":
            return value
        return Decimal(value) * CENT
