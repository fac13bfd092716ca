"""A method's parameters: OpenAPI's keywords, strict about JSON types, lenient only where a query string must be."""

from __future__ import annotations

from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.catalog.params import params_schema
from schemas.numbers import ExactNumber


def load(keywords: dict[str, Any], value: object, *, from_text: bool = False) -> Any:
    return params_schema({"p": keywords}, from_text=from_text).load({"p": value})["p"]


def complaint(keywords: dict[str, Any], value: object, *, from_text: bool = False) -> Any:
    with pytest.raises(ValidationError) as caught:
        load(keywords, value, from_text=from_text)
    return caught.value.messages_dict["p"]


STRING, INTEGER, NUMBER, BOOLEAN = (
    {"type": name} for name in ("string", "integer", "number", "boolean")
)
TWICE = {"type": "array", "items": INTEGER}


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", ""), ("string", "5"), ("string", "中文 🙂"), ("string", "a\0b"),
        ("integer", 0), ("integer", -5), ("integer", 2**70),
        ("number", 0.1), ("number", 5), ("number", 2**70), ("boolean", True), ("boolean", False),
        ("array", [1, "a", None]), ("object", {"a": {"b": [1]}}),
    ],
)  # fmt: skip
def test_a_value_of_the_declared_type_is_taken_unchanged(kind: str, value: object) -> None:
    loaded = load({"type": kind}, value)
    assert (loaded, type(loaded)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("string", 5), ("string", True), ("string", ["a"]), ("string", {}),
        ("integer", "5"), ("integer", True), ("integer", False), ("integer", 5.5), ("integer", [5]),
        ("number", "5"), ("number", True), ("boolean", 1), ("boolean", 0), ("boolean", "true"),
        ("array", "a"), ("array", {}), ("array", 1), ("object", []), ("object", "{}"), ("object", 1),
    ],
)  # fmt: skip
def test_a_value_of_another_json_type_is_refused(kind: str, value: object) -> None:
    noun = "list" if kind == "array" else kind
    assert complaint({"type": kind}, value) == [f"Not a valid {noun}."]


def test_a_whole_float_is_an_integer() -> None:
    loaded = load(INTEGER, 5.0)
    assert (loaded, type(loaded)) == (5, int)


@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "array", "object"])
def test_null_is_refused_unless_declared_nullable(kind: str) -> None:
    assert complaint({"type": kind}, None) == ["Field may not be null."]
    assert load({"type": kind, "nullable": True, "enum": ["x"]}, None) is None


def test_what_is_not_declared_is_an_error() -> None:
    with pytest.raises(ValidationError) as caught:
        params_schema({"p": STRING}).load({"p": "x", "q": 1})
    assert caught.value.messages_dict == {"q": ["Unknown field."]}


def test_what_is_required_must_be_there_and_the_rest_may_be_left_out() -> None:
    schema = params_schema({"a": {"type": "string", "required": True}, "b": STRING})
    assert schema.load({"a": "x"}) == {"a": "x"}
    with pytest.raises(ValidationError) as caught:
        schema.load({"b": "x"})
    assert caught.value.messages_dict == {"a": ["Missing data for required field."]}


def test_a_default_stands_in_for_what_is_left_out() -> None:
    assert params_schema({"p": {"type": "integer", "default": 5}}).load({}) == {"p": 5}
    assert params_schema({"p": {"type": "integer", "default": 5}}).load({"p": 6}) == {"p": 6}
    inside = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "integer", "default": 1}},
    }
    assert load(inside, {}) == {"a": 1}


@pytest.mark.parametrize(
    ("keywords", "good", "bad", "message"),
    [
        ({"type": "string", "enum": ["a", "b"]}, "a", "c", "Must be one of: a, b."),
        ({"type": "string", "enum": ["small", "big"]}, "big", "smal",
         "Must be one of: small, big; did you mean 'small'?"),
        ({"type": "string", "enum": ["small", "big"]}, "big", "small" * 20,
         "Must be one of: small, big."),
        ({"type": "integer", "enum": [1, 2]}, 2, 3, "Must be one of: 1, 2."),
        ({"type": "integer", "minimum": 3}, 3, 2, "Must be greater than or equal to 3."),
        ({"type": "number", "maximum": 3}, 3, 3.01, "Must be less than or equal to 3."),
        ({"type": "number", "minimum": 1, "maximum": 3}, 1, 0,
         "Must be greater than or equal to 1 and less than or equal to 3."),
        ({"type": "string", "minLength": 2}, "ab", "a", "Shorter than minimum length 2."),
        ({"type": "string", "maxLength": 2}, "中文", "中文字", "Longer than maximum length 2."),
        ({"type": "array", "minItems": 1}, [1], [], "Shorter than minimum length 1."),
        ({"type": "array", "maxItems": 1}, [1], [1, 2], "Longer than maximum length 1."),
        ({"type": "array", "items": {"type": "integer"}, "maxItems": 1}, [1], [1, 2], "Longer than maximum length 1."),
        ({"type": "string", "pattern": "b+"}, "abbc", "ac", "Does not match the pattern b+."),
        ({"type": "string", "pattern": "^b$"}, "b", "ab", "Does not match the pattern ^b$."),
        ({"type": "string", "format": "email"}, "a@b.example", "a@", "Not a valid email address."),
        ({"type": "string", "format": "uri"}, "http://localhost/x", "x y", "Not a URI (RFC 3986), such as https://example.com/a or mailto:a@b.c."),
        ({"type": "string", "format": "uuid"}, "00000000-0000-0000-0000-00000000000a", "1-2", "Not a UUID."),
        ({"type": "string", "format": "date"}, "2024-02-29", "2024-2-9", "Not a date (YYYY-MM-DD)."),
        ({"type": "string", "format": "date"}, "2024-02-29", "2024-02-29\n", "Not a date (YYYY-MM-DD)."),
        ({"type": "string", "format": "date-time"}, "2024-02-29T01:02:03.5+08:00", "2024-02-29",
         "Not an RFC 3339 date-time."),
        ({"type": "string", "format": "date"}, "2024-02-29", "2023-02-29", "Not a date (YYYY-MM-DD)."),
        ({"type": "string", "format": "date"}, "2024-12-31", "2024-13-01", "Not a date (YYYY-MM-DD)."),
        ({"type": "string", "format": "date"}, "2024-02-29", "\uff12024-02-29", "Not a date (YYYY-MM-DD)."),
        ({"type": "string", "format": "date-time"}, "2016-12-31T23:59:60Z", "2024-02-30T01:02:03Z",
         "Not an RFC 3339 date-time."),
        ({"type": "string", "format": "date-time"}, "2024-02-29t23:59:59z", "2024-02-29T24:00:00Z",
         "Not an RFC 3339 date-time."),
        ({"type": "string", "format": "date-time"}, "2024-02-29T01:02:03-23:59", "2024-02-29T01:02:03+24:00",
         "Not an RFC 3339 date-time."),
    ],
)  # fmt: skip
def test_a_keyword_refuses_what_does_not_fit_it(
    keywords: dict[str, Any], good: Any, bad: Any, message: str
) -> None:
    assert load(keywords, good) == good
    assert complaint(keywords, bad) == [message]


@pytest.mark.parametrize(
    ("keywords", "value"),
    [
        ({"type": "integer", "minLength": 9, "pattern": "x", "format": "email", "minItems": 9}, 5),
        ({"type": "string", "minimum": 9, "maximum": 0, "minItems": 9}, "a"),
        ({"type": "boolean", "minimum": 9, "maxLength": 0}, True),
        ({"type": "array", "minLength": 9, "maximum": 0}, [1]),
        ({"type": "object", "minLength": 9, "minItems": 9}, {}),
        ({"type": "string", "format": "password"}, "a"),
    ],
)
def test_a_keyword_for_another_type_says_nothing(keywords: dict[str, Any], value: object) -> None:
    assert load(keywords, value) == value


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("string", "5", "5"), ("string", "true", "true"), ("string", "", ""), ("string", "中", "中"),
        ("integer", "5", 5), ("integer", "-5", -5), ("integer", "1180591620717411303424", 2**70),
        ("number", "5", 5), ("number", "-0.5", -0.5), ("number", "1.5e3", ExactNumber("1.5e3")),
        ("number", "007.5", 7.5), ("number", "1.10", ExactNumber("1.10")),
        ("boolean", "true", True), ("boolean", "False", False),
    ],
)  # fmt: skip
def test_a_query_text_is_read_as_the_declared_type(kind: str, text: str, expected: object) -> None:
    loaded = load({"type": kind}, text, from_text=True)
    assert (loaded, type(loaded)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("integer", "5.5"), ("integer", ""), ("integer", "five"), ("integer", " 5"), ("integer", "5\n"),
        ("integer", "0x5"), ("integer", "1_0"), ("integer", "\u0665"), ("integer", "\uff19"), ("integer", "1" * 5000),
        ("number", "nan"), ("number", "inf"), ("number", "9" * 300 + ".0e99"), ("number", "1e999"), ("number", "5."),
        ("number", "1" * 5000), ("boolean", "1"), ("boolean", "yes"), ("boolean", ""), ("object", "{}"),
    ],
)  # fmt: skip
def test_a_query_text_that_is_not_of_the_type_is_refused(kind: str, text: str) -> None:
    assert complaint({"type": kind}, text, from_text=True) == [f"Not a valid {kind}."]


def test_a_scalar_given_several_times_is_refused() -> None:
    assert complaint(STRING, ["a", "b"], from_text=True) == ["Not a valid string."]
    assert complaint(INTEGER, ["1", "2"], from_text=True) == ["Not a valid integer."]


def test_keywords_hold_for_values_from_a_query_too() -> None:
    assert complaint({"type": "integer", "minimum": 3}, "2", from_text=True) == [
        "Must be greater than or equal to 3."
    ]
    assert complaint({"type": "integer", "enum": [1]}, "2", from_text=True) == [
        "Must be one of: 1."
    ]


def test_one_query_value_or_several_make_an_array() -> None:
    assert load(TWICE, "5", from_text=True) == [5]
    assert load(TWICE, ["5", "6"], from_text=True) == [5, 6]
    assert load({"type": "array"}, "a", from_text=True) == ["a"]
    assert load({"type": "array"}, ["a", "b"], from_text=True) == ["a", "b"]
    assert complaint(TWICE, ["5", "x"], from_text=True) == {1: ["Not a valid integer."]}


def test_one_json_value_does_not_make_an_array() -> None:
    assert complaint({"type": "array", "items": STRING}, "a") == ["Not a valid list."]


def test_array_items_are_checked_each() -> None:
    assert load(TWICE, []) == []
    assert complaint(TWICE, [1, "2", True]) == {
        1: ["Not a valid integer."],
        2: ["Not a valid integer."],
    }
    assert complaint(
        {"type": "array", "items": {"type": "string", "maxLength": 1}}, ["a", "bb"]
    ) == {1: ["Longer than maximum length 1."]}


NESTED = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "size": {"type": "integer", "default": 1},
        "tags": {
            "type": "array",
            "items": {"type": "object", "properties": {"k": {"type": "string", "required": True}}},
        },
    },
}


def test_an_object_is_checked_inside() -> None:
    assert load(NESTED, {"name": "x", "tags": [{"k": "y"}]}) == {
        "name": "x",
        "size": 1,
        "tags": [{"k": "y"}],
    }
    assert complaint(NESTED, {"size": "1", "other": 1, "tags": [{}]}) == {
        "name": ["Missing data for required field."],
        "size": ["Not a valid integer."],
        "other": ["Unknown field."],
        "tags": {0: {"k": ["Missing data for required field."]}},
    }


def test_an_object_without_declared_properties_takes_any() -> None:
    assert load({"type": "object"}, {"any": [{"thing": None}]}) == {"any": [{"thing": None}]}


def test_no_message_repeats_the_value() -> None:
    keywords = {"type": "string", "enum": ["a"], "pattern": "^a", "maxLength": 3, "format": "email"}
    assert "hunter22" not in str(complaint(keywords, "hunter22"))
    assert "hunter22" not in str(complaint(INTEGER, "hunter22"))


URI = {"type": "string", "format": "uri"}


@pytest.mark.parametrize(
    "uri",
    [
        "data:image/png;base64,SGk=", "attachment://image.png", "urn:isbn:0451450523", "mailto:a@b.c?subject=x", "s3://bucket/key",
        "myapp://cb", "redis://:p@h:6379/0", "file:///etc/x", "tel:+49-1", "https://[2001:db8::1]:8443/", "https://a.example?x=/#y?",
        "ldap://[2001:db8::7]/c=GB?objectClass?one", "http://-.~_!$&'()*+,;=:%40:80%2f::::::@example.com", "data:,%41",
    ],
)  # fmt: skip
def test_any_uri_of_rfc_3986_is_one(uri: str) -> None:
    assert load(URI, uri) == uri


@pytest.mark.parametrize(
    "text",
    [
        "", "a", "/abc", "//a.example/b", ":// a", "bar,baz:foo", "http://", "https:x", "http://a b.example", "https://[@a.example/",
        "https://a.example/\\b", "https://a.example/®", "https://a.example/%zz", "https://a.example/|", "http://a:x/", "http://a\n", "a:b#c#d",
    ],
)  # fmt: skip
def test_what_is_no_absolute_uri_is_refused(text: str) -> None:
    assert complaint(URI, text)


def test_a_long_uri_is_looked_at_in_linear_time() -> None:
    """Of the quadratic kind a tenth of this would take minutes."""
    for text in (
        "data:," + "%41" * 300_000 + "^",
        "http://" + "a" * 1_000_000 + "^",
        "http://" + ":" * 1_000_000,
    ):
        assert complaint(URI, text)


def test_a_text_that_is_too_long_is_not_searched_for_its_pattern() -> None:
    """Of the quadratic kind 20,000 characters take seconds, and a whole body hours."""
    keywords = {**STRING, "maxLength": 3, "pattern": "[0-9]+$"}
    assert complaint(keywords, "1" * 20_000 + "x") == ["Longer than maximum length 3."]
    assert complaint(keywords, "12x") == ["Does not match the pattern [0-9]+$."]


TEXT_OR_NUMBER = [STRING, INTEGER]
CARD = {"type": "object", "properties": {"card": {**STRING, "required": True}}}
BANK = {"type": "object", "properties": {"iban": {**STRING, "required": True}, "bic": STRING}}


@pytest.mark.parametrize("value", ["a", 5, {"card": "4"}, {"iban": "x"}, {"iban": "x", "bic": "y"}])
def test_a_value_may_fit_one_of_several_shapes(value: object) -> None:
    assert load({"oneOf": [*TEXT_OR_NUMBER, CARD, BANK]}, value) == value


def test_a_value_of_no_shape_is_told_why_by_each() -> None:
    assert complaint({"oneOf": [STRING, CARD]}, {"cart": "4"}) == [
        "Fits no shape of oneOf.",
        "1: Not a valid string.",
        "2: card: Missing data for required field.; cart: Unknown field.",
    ]


def test_of_one_of_a_value_must_fit_exactly_one() -> None:
    either = [NUMBER, INTEGER]
    assert complaint({"oneOf": either}, 5) == [
        "Fits 2 of the shapes of oneOf, and must fit exactly one."
    ]
    assert (load({"oneOf": either}, 5.5), load({"anyOf": either}, 5)) == (5.5, 5)


def test_text_in_a_query_is_the_first_shape_that_it_fits() -> None:
    assert load({"oneOf": [INTEGER, STRING]}, "5", from_text=True) == 5
    assert load({"oneOf": [INTEGER, STRING]}, "a", from_text=True) == "a"


@pytest.mark.parametrize(
    "keywords",
    [{"oneOf": TEXT_OR_NUMBER, "nullable": True}, {"anyOf": [{**STRING, "nullable": True}]}],
)
def test_null_fits_where_a_shape_or_the_parameter_is_nullable(keywords: dict[str, Any]) -> None:
    assert load(keywords, None) is None
    assert complaint({"oneOf": TEXT_OR_NUMBER}, None) == ["Field may not be null."]


def test_an_object_takes_other_names_where_it_says_so() -> None:
    open_object = {"type": "object", "properties": {"a": INTEGER}, "additionalProperties": True}
    assert load(open_object, {"z": [1], "a": 5.0}) == {"z": [1], "a": 5}
    assert complaint(open_object, {"z": 1, "a": "x"}) == {"a": ["Not a valid integer."]}


def test_the_values_of_other_names_have_the_shape_that_is_declared() -> None:
    labels = {"type": "object", "additionalProperties": STRING}
    assert load(labels, {"a": "x", "b.c": "y"}) == {"a": "x", "b.c": "y"}
    assert complaint(labels, {"a": "x", "b": 5}) == {"b": ["Not a valid string."]}
    assert complaint(labels, []) == ["Not a valid object."]


def test_an_open_object_still_needs_what_is_required_and_has_its_defaults() -> None:
    declared = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": STRING, "b": {**INTEGER, "default": 7}},
        "additionalProperties": NUMBER,
    }
    assert load(declared, {"a": "x", "n": 1.5}) == {"a": "x", "n": 1.5, "b": 7}
    assert complaint(declared, {"n": 1}) == {"a": ["Missing data for required field."]}


def test_an_object_without_other_names_is_closed() -> None:
    closed = {"type": "object", "additionalProperties": False}
    assert load(closed, {}) == {}
    assert complaint(closed, {"a": 1}) == {"a": ["Unknown field."]}


def test_of_an_open_object_only_so_many_wrong_values_are_looked_at() -> None:
    labels = {"type": "object", "additionalProperties": STRING}
    assert len(complaint(labels, dict.fromkeys(map(str, range(100_000)), 5))) == 20
