"""Numbers that keep their digits compare as the floats that they are nearest to."""

from __future__ import annotations

import json
import random
import struct

import orjson
import pytest

from schemas.numbers import ExactNumber, dump_exactly, read_number


def test_a_number_is_a_float_only_where_orjson_writes_its_digits() -> None:
    chance = random.Random(7)
    for _ in range(20_000):
        bits = struct.unpack("d", chance.randbytes(8))[0]
        places = chance.randrange(12)
        for value in (bits, round(chance.uniform(-1e6, 1e6), places)):
            digits = repr(value)
            if "n" not in digits:
                number = read_number(digits)
                written = number if isinstance(number, float) else orjson.Fragment(number.digits)
                assert orjson.dumps(written).decode() == digits


def test_it_compares_as_the_nearest_float_and_to_its_like_by_its_digits() -> None:
    number = ExactNumber("1.10")
    assert number == 1.1
    assert hash(number) == hash(1.1)
    assert number != ExactNumber("1.1")
    assert 1 < number <= 1.1 < ExactNumber("1e400")
    assert ExactNumber("-1e400") < number


@pytest.mark.parametrize(
    ("digits", "whole"),
    [("1e3", 1000), ("5.00", 5), ("-0.0", 0), ("5.5", None), ("1e400", None), ("1e-9999999999999999999", None)],
)  # fmt: skip
def test_it_is_whole_where_nothing_is_lost(digits: str, whole: int | None) -> None:
    assert ExactNumber(digits).whole() == whole


def test_text_has_it_as_it_came() -> None:
    value = {"n": [ExactNumber("1.10"), 2**70, "\ud800"], "m": ExactNumber("1e400")}
    text = dump_exactly(value, separators=(",", ":"))
    assert text == '{"n":[1.10,1180591620717411303424,"\\ud800"],"m":1e400}'
    assert json.loads(dump_exactly({"a": ExactNumber("5.0")}, indent=2)) == {"a": 5.0}
