"""Numbers of JSON that Python's own would change, and JSON text that has them as they came::

number = read_number("1.10")            # a float would be written as 1.1
dump_exactly({"price": number})         # '{"price": 1.10}'
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from decimal import Decimal
from functools import total_ordering
from secrets import token_hex
from typing import Any


@total_ordering
class ExactNumber:
    """A JSON number with a fraction or an exponent, of which each digit counts.

    It compares as the float that it is nearest to, so that 1.10 is within limits that are written
    as 1.1; to another of its kind it is equal only if the digits are.
    """

    __slots__ = ("digits",)

    def __init__(self, digits: str) -> None:
        self.digits = digits

    def whole(self) -> int | None:
        """Return it as an integer; None if it is none, or has hundreds of digits."""
        if not math.isfinite(float(self)):
            return None
        try:
            number = Decimal(self.digits)
        except ArithmeticError:  # an exponent beyond what Decimal knows
            return None
        whole = number.to_integral_value()
        return int(whole) if whole == number else None

    def __str__(self) -> str:
        return self.digits

    def __repr__(self) -> str:
        return f"ExactNumber({self.digits!r})"

    def __float__(self) -> float:
        return float(self.digits)

    def __abs__(self) -> float:
        return abs(float(self.digits))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, ExactNumber):
            return self.digits == other.digits
        return float(self.digits) == other

    def __lt__(self, other: Any) -> bool:
        return float(self.digits) < (float(other) if isinstance(other, ExactNumber) else other)

    def __hash__(self) -> int:
        return hash(float(self.digits))


def read_number(digits: str) -> float | ExactNumber:
    """Return a JSON number with a fraction or an exponent: a float where that has these digits."""
    number = float(digits)
    if repr(number) == digits and "e" not in digits:  # orjson writes exponents otherwise
        return number
    return ExactNumber(digits)


def dump_exactly(
    value: object, default: Callable[[Any], object] | None = None, **options: Any
) -> str:
    """Return JSON text with each ``ExactNumber`` as it came; options are ``json.dumps``'s."""
    mark = token_hex(16)  # around the digits, which ``json`` has no other way to write

    def plain(item: object) -> object:
        if isinstance(item, ExactNumber):
            return f"{mark}{item.digits}{mark}"
        if default:
            return default(item)
        raise TypeError(f"{type(item).__name__} has no JSON form")

    text = json.dumps(value, default=plain, allow_nan=False, **options)
    return text.replace(f'"{mark}', "").replace(f'{mark}"', "")
