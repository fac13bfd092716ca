"""How parameters become a request: nothing a caller sends can change more than its own value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.errors import InvalidParams
from sandbox import Sandbox
from tests.gateway.fakes import Gate, service

Open = Callable[..., Gate]
STRING: dict[str, Any] = {"type": "string"}


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("a", "/anything/a/end"), ("a/b", "/anything/a%2Fb/end"), ("..x/y", "/anything/..x%2Fy/end"),
        ("a?b=c", "/anything/a%3Fb%3Dc/end"), ("a#b", "/anything/a%23b/end"), ("a%2e%2e", "/anything/a%252e%252e/end"),
        ("a b", "/anything/a%20b/end"), ("中", "/anything/%E4%B8%AD/end"),
        ("a\r\nX: y", "/anything/a%0D%0AX%3A%20y/end"),
        ("\0", "/anything/%00/end"), ("...", "/anything/.../end"), ("{id}", "/anything/%7Bid%7D/end"),
        ("\\", "/anything/%5C/end"),
    ],
)  # fmt: skip
def test_a_path_parameter_is_one_segment_whatever_it_holds(
    gate: Open, box: Sandbox, value: str, target: str
) -> None:
    gate("GET /anything/{id}/end", params={"id": STRING}).ask("m", {"id": value})
    assert box.requests[-1].target == target


@pytest.mark.parametrize("value", ["", ".", "..", "../../x", "%2e%2e"])
def test_a_path_parameter_cannot_climb_or_vanish(gate: Open, box: Sandbox, value: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        gate("GET /anything/{id}/end", params={"id": STRING}).ask("m", {"id": value})
    assert caught.value.fields == {"id": ["Not usable in a path."]}
    assert box.requests == []


def test_a_parameter_with_a_dot_in_its_name_is_sent(gate: Open, box: Sandbox) -> None:
    gate("GET /anything", params={"user.fields": STRING}).ask("m", {"user.fields": "name"})
    assert box.requests[-1].target == "/anything?user.fields=name"


def test_one_path_parameter_cannot_stand_in_for_another(gate: Open, box: Sandbox) -> None:
    params = {"a": STRING, "b": {"type": "integer"}}
    gate("GET /anything/{a}/{b}", params=params).ask("m", {"a": "{b}", "b": 2**70})
    assert box.requests[-1].path == f"/anything/{{b}}/{2**70}"


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "a\x7fb", "中"])
def test_a_header_parameter_cannot_end_its_line(gate: Open, box: Sandbox, value: str) -> None:
    at = gate("GET /anything", params={"X-A": {**STRING, "in": "header"}})
    with pytest.raises(InvalidParams) as caught:
        at.ask("m", {"X-A": value})
    assert caught.value.fields == {"X-A": ["Not usable in a header."]}
    assert box.requests == []


@pytest.mark.parametrize("value", ["k\r\nX-Evil: 1", "k\n", "中"])
def test_an_idempotency_key_cannot_end_its_line(gate: Open, box: Sandbox, value: str) -> None:
    with pytest.raises(InvalidParams):
        gate("POST /anything", idempotency_header="Idem-Key").ask(vendor_key=value)
    assert box.requests == []


def test_a_header_parameter_arrives_as_it_is(gate: Open, box: Sandbox) -> None:
    params = {"X-A": {**STRING, "in": "header"}, "X-N": {"type": "integer", "in": "header"}}
    gate("GET /anything", params=params).ask("m", {"X-A": "a, b; c=\xe9", "X-N": 5})
    assert box.requests[-1].headers["x-a"] == "a, b; c=\xe9"
    assert box.requests[-1].headers["x-n"] == "5"


def test_a_query_array_is_the_key_repeated(gate: Open, box: Sandbox) -> None:
    params = {
        "q": {"type": "array", "items": STRING},
        "n": {"type": "array", "items": {"type": "integer"}},
    }
    gate("GET /anything", params=params).ask("m", {"q": ["a", "b&c=d"], "n": []})
    assert box.requests[-1].target == "/anything?q=a&q=b%26c%3Dd"


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [("string", "a+b c", "a+b c"), ("boolean", True, "true"), ("number", 0.5, "0.5"), ("integer", 2**70, str(2**70)),
     ("object", {"a": [1, "中"]}, '{"a":[1,"中"]}'), ("string", "", ""), ("string", "\U0001f642", "\U0001f642")],
)  # fmt: skip
def test_a_query_value_arrives_as_it_is(
    gate: Open, box: Sandbox, kind: str, value: object, text: str
) -> None:
    gate("GET /anything", params={"q": {"type": kind}}).ask("m", {"q": value})
    assert box.requests[-1].query == {"q": [text]}


def test_null_in_a_query_is_an_empty_text(gate: Open, box: Sandbox) -> None:
    gate("GET /anything", params={"q": {**STRING, "nullable": True}}).ask("m", {"q": None})
    assert box.requests[-1].target == "/anything?q="


def test_what_is_left_out_is_not_sent(gate: Open, box: Sandbox) -> None:
    params = {"q": STRING, "X-A": {**STRING, "in": "header"}, "b": {**STRING, "in": "body"}}
    gate("POST /anything", params=params).ask()
    request = box.requests[-1]
    assert (request.target, request.body) == ("/anything", b"{}")
    assert "x-a" not in request.headers


def test_places_may_be_mixed(gate: Open, box: Sandbox) -> None:
    places = {"h": "header", "q": "query", "b": "body"}
    params = {"p": STRING, **{name: {**STRING, "in": place} for name, place in places.items()}}
    gate("POST /anything/{p}", params=params).ask("m", {"p": "1", "h": "2", "q": "3", "b": "4"})
    request = box.requests[-1]
    assert (request.target, request.headers["h"], request.body) == (
        "/anything/1?q=3",
        "2",
        b'{"b":"4"}',
    )


def test_a_json_body_is_exact(gate: Open, box: Sandbox) -> None:
    value = {"n": 2**70, "f": 0.1, "t": "中\0", "l": [None, True, {}]}
    gate("POST /anything", params={"v": {"type": "object"}}).ask("m", {"v": value})
    request = box.requests[-1]
    assert request.headers["content-type"] == "application/json"
    assert request.headers["content-length"] == str(len(request.body))
    assert gate("POST /anything", params={"v": {"type": "object"}}).ask("m", {"v": value})[
        "json"
    ] == {"v": value}


def test_a_form_body_is_url_encoded_with_arrays_repeated(gate: Open, box: Sandbox) -> None:
    params = {"a": STRING, "l": {"type": "array", "items": {"type": "boolean"}}}
    gate("POST /anything", body="form", params=params).ask(
        "m", {"a": "x y&z=中", "l": [True, False]}
    )
    request = box.requests[-1]
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.body == b"a=x%20y%26z%3D%E4%B8%AD&l=true&l=false"


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH"])
def test_a_verb_that_usually_has_a_body_says_when_it_is_empty(
    gate: Open, box: Sandbox, verb: str
) -> None:
    gate(f"{verb} /anything").ask()
    request = box.requests[-1]
    assert (request.headers["content-length"], request.body) == ("0", b"")
    assert "content-type" not in request.headers


@pytest.mark.parametrize("verb", ["GET", "DELETE"])
def test_a_verb_that_has_no_body_says_nothing_of_one(gate: Open, box: Sandbox, verb: str) -> None:
    gate(f"{verb} /anything").ask()
    assert not {"content-length", "transfer-encoding", "content-type"} & set(
        box.requests[-1].headers
    )


def test_a_get_may_have_a_declared_body(gate: Open, box: Sandbox) -> None:
    gate("GET /anything", params={"q": {**STRING, "in": "body"}}).ask("m", {"q": "x"})
    assert (box.requests[-1].body, box.requests[-1].query) == (b'{"q":"x"}', {})


def test_the_request_id_goes_along(gate: Open, box: Sandbox) -> None:
    gate().ask(request_id="abc.1-2_3")
    assert box.requests[-1].headers["x-request-id"] == "abc.1-2_3"


def test_declared_headers_go_along_and_replace_ours(gate: Open, box: Sandbox) -> None:
    gate(
        "GET /anything", on={"headers": {"X-Team": "shop"}}, headers={"user-agent": "shop/1"}
    ).ask()
    headers = box.requests[-1].headers
    assert (headers["x-team"], headers["user-agent"]) == ("shop", "shop/1")


def test_only_our_own_headers_are_sent(gate: Open, box: Sandbox) -> None:
    gate().ask()
    assert set(box.requests[-1].headers) == {
        "host",
        "user-agent",
        "accept",
        "accept-encoding",
        "x-request-id",
        "traceparent",
    }


def test_a_base_url_with_a_path_comes_first(open_gate: Open, box: Sandbox) -> None:
    url = f"{box.url}/anything/"
    at = open_gate(
        {
            "s": {
                "base_url": url,
                "allow_private": True,
                "methods": {"m": {"http": "GET /x/{a}", "params": {"a": STRING}}},
            }
        }
    )
    at.ask("m", {"a": ".x"})
    assert box.requests[-1].target == "/anything/x/.x"


def test_values_from_a_query_string_are_read_as_declared(gate: Open, box: Sandbox) -> None:
    params = {
        "n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "integer"}}, "o": {"type": "object"},
        "p": {"type": "object", "properties": {"q": {"type": "integer"}}},
    }  # fmt: skip
    at = gate("POST /anything", params=params)
    texts = {"n": "5", "l": "6", "o": '{"a": [1]}', "p": '{"q": 7}'}
    assert at.ask("m", texts, from_text=True)["json"] == {
        "n": 5,
        "l": [6],
        "o": {"a": [1]},
        "p": {"q": 7},
    }
    for wrong in (
        "",
        "x",
        "[1]",
        "5",
        '{"a": NaN}',
        '{"a": 1, "a": 2}',
        "{" * 100,
        '{"a":' * 100 + "1" + "}" * 100,
    ):
        with pytest.raises(InvalidParams) as caught:
            at.ask("m", {"o": wrong}, from_text=True)
        assert caught.value.fields == {"o": ["Not a valid object."]}
    with pytest.raises(InvalidParams) as caught:
        at.ask("m", {"n": "5"})
    assert caught.value.fields == {"n": ["Not a valid integer."]}


def test_unknown_and_missing_parameters_are_named_and_nothing_is_sent(
    gate: Open, box: Sandbox
) -> None:
    with pytest.raises(InvalidParams) as caught:
        gate("GET /anything", params={"q": {**STRING, "required": True}}).ask("m", {"p": "x"})
    assert caught.value.fields == {
        "q": ["Missing data for required field."],
        "p": ["Unknown field."],
    }
    assert (caught.value.code, caught.value.source) == (-3003, "caller")
    assert box.requests == []


def test_defaults_are_sent(gate: Open, box: Sandbox) -> None:
    gate("GET /anything", params={"limit": {"type": "integer", "default": 10}}).ask()
    assert box.requests[-1].target == "/anything?limit=10"


def test_fixed_query_parameters_stand_before_the_callers_and_the_methods_own_win(
    open_gate: Open, box: Sandbox
) -> None:
    method = {
        "http": "GET /anything",
        "query": {"v": "2", "b": "c d"},
        "params": {"q": {"type": "string"}},
    }
    at = open_gate(
        {"s": service(box.url, query={"v": "1", "a": "${A}"}, methods={"m": method})},
        env={"A": "hush-hush"},
    )
    at.ask("m", {"q": "x"})
    assert box.requests[-1].target == "/anything?v=2&a=hush-hush&b=c%20d&q=x"
    assert b"hush-hush" not in at.masker.mask_line(b"http://x/anything?v=2&a=hush-hush")
