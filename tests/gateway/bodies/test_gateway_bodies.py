"""JSON in and out: exact, strict with callers, never a part of the body in the reason."""

from __future__ import annotations

from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest

from gateway.bodies import dump_json, load_json
from gateway.errors import BadResponse


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"{}", {}), (b" [1, 2.5, true, null] ", [1, 2.5, True, None]), (b'"\xe4\xb8\xad"', "中"),
        (b"\xef\xbb\xbf1", 1), (b"1180591620717411303424", 2**70), (b"-0", 0), (b'"\\ud83d\\ude42"', "\U0001f642"),
        (b'{"a":{"a":1}}', {"a": {"a": 1}}), (b"[" * 64 + b"]" * 64, None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("strict", [True, False])
def test_sound_json_is_read_exactly(body: bytes, value: Any, strict: bool) -> None:
    data = load_json(body, strict=strict)
    assert value is None or (data, type(data)) == (value, type(value))


@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"), (b"{", "not JSON"), (b"{}x", "not JSON"), (b"[1,]", "not JSON"), (b"'a'", "not JSON"),
        (b"\xff", "not UTF-8"), ("é".encode("latin-1"), "not UTF-8"), ("{}".encode("utf-16"), "not UTF-8"),
        (b"NaN", "NaN is not JSON"), (b"[-Infinity]", "-Infinity is not JSON"), (b"1" * 5000, "a number has too many digits"),
        (b"[" * 100_000, "nested deeper than 64 levels"), (b'"a\nb"', "not JSON"), (b"01", "not JSON"),
    ],
    ids=lambda value: value[:12].decode("latin-1") if isinstance(value, bytes) else None,
)  # fmt: skip
def test_what_is_not_json_is_refused_with_a_reason(body: bytes, reason: str, strict: bool) -> None:
    with pytest.raises(ValueError, match=f"^{reason}"):
        load_json(body, strict=strict)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a":1,"a":1}', "the same key is given twice in one object"),
        (b'[{"b":{"a":1,"\\u0061":2}}]', "the same key is given twice in one object"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64 levels"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nested deeper than 64 levels"),
        (b"1e999", "a number is too large"),
        (b"-1e999", "a number is too large"),
        (b'"\\ud800"', "a lone surrogate is not text"),
        (b'{"\\udc00":1}', "a lone surrogate is not text"),
    ],
    ids=str,
)
def test_callers_are_held_to_more(body: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        load_json(body, strict=True)
    load_json(body)


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert load_json(b"[" + b"[]," * 500 + b"[]]", strict=True) == [[]] * 501


def test_brackets_inside_a_text_are_not_deep() -> None:
    assert load_json(b'"' + b"[" * 100 + b'"', strict=True) == "[" * 100


def test_no_reason_repeats_the_body() -> None:
    with pytest.raises(ValueError, match="not JSON") as caught:
        load_json(b'{"password": hunter22}')
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({"a": [1, "中", None, True]}, '{"a":[1,"中",null,true]}'), (2**70, str(2**70)),
        (-(2**63) - 1, str(-(2**63) - 1)),
        ({"n": 2**70, "t": "x"}, '{"n":1180591620717411303424,"t":"x"}'), (Decimal("0.10"), '"0.10"'), (0.1, "0.1"),
        (MappingProxyType({"a": 1}), '{"a":1}'), ({"b", "a"}, '["a","b"]'), ("\ud800", '"\\ud800"'),
    ],
)  # fmt: skip
def test_values_are_written_exactly(value: object, body: str) -> None:
    assert dump_json(value) == body.encode()


def test_what_has_no_json_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        dump_json({"a": object()})


def test_a_reply_too_deep_to_be_passed_on_is_a_bad_response() -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(BadResponse):
        dump_json(value)


def test_an_escaped_letter_beside_a_number_with_all_its_digits_is_read() -> None:
    body = b'{"a": "\\u00e9", "b": 1.10}'
    assert dump_json(load_json(body, strict=True)) == '{"a":"é","b":1.10}'.encode()
