"""How lists and objects are written in paths, queries, headers and forms: as OpenAPI or the vendor has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest

from gateway.errors import InvalidParams
from sandbox import Sandbox
from tests.gateway.fakes import Gate

Open = Callable[..., Gate]
STRING: dict[str, Any] = {"type": "string"}
LIST: dict[str, Any] = {"type": "array", "items": STRING}
PAIR: dict[str, Any] = {"type": "object", "properties": {"R": {"type": "integer"}, "G": STRING}}
OPEN: dict[str, Any] = {"type": "object"}
RGB = {"R": 100, "G": "a&b"}


@pytest.mark.parametrize(
    ("keywords", "value", "query"),
    [
        (LIST, ["a", "b&c"], "p=a&p=b%26c"),
        ({**LIST, "style": "form"}, ["a", "b"], "p=a&p=b"),
        ({**LIST, "explode": True}, ["a", "b"], "p=a&p=b"),
        ({**LIST, "explode": False}, ["a", "b&c"], "p=a,b%26c"),
        ({**LIST, "style": "form", "explode": False}, ["a"], "p=a"),
        ({**LIST, "style": "spaceDelimited"}, ["a", "b"], "p=a%20b"),
        ({**LIST, "style": "pipeDelimited", "explode": False}, ["a", "b,c"], "p=a%7Cb%2Cc"),
        ({"type": "array", "items": {"type": "integer"}, "explode": False}, [1, 2], "p=1,2"),
        ({**LIST, "array_format": "brackets"}, ["a", "b"], "p%5B%5D=a&p%5B%5D=b"),
        ({**LIST, "array_format": "indices"}, ["a", "b"], "p%5B0%5D=a&p%5B1%5D=b"),
        ({**LIST, "array_format": "numbers"}, ["a", "b"], "p.1=a&p.2=b"),
        ({**LIST, "array_format": "comma"}, ["a", "b"], "p=a,b"),
        (PAIR, {"R": 100}, "p=%7B%22R%22%3A100%7D"),
        ({**PAIR, "style": "form"}, RGB, "R=100&G=a%26b"),
        ({**PAIR, "style": "form", "explode": False}, RGB, "p=R,100,G,a%26b"),
        ({**PAIR, "style": "deepObject"}, RGB, "p%5BR%5D=100&p%5BG%5D=a%26b"),
        ({**OPEN, "style": "deepObject"}, {"a": {"b": [1, 2]}}, "p%5Ba%5D%5Bb%5D=1&p%5Ba%5D%5Bb%5D=2"),
        ({**OPEN, "style": "deepObject", "array_format": "indices"}, {"a": [{"b": 1}]}, "p%5Ba%5D%5B0%5D%5Bb%5D=1"),
        ({**OPEN, "object_format": "dots"}, {"a": {"b": None}}, "p.a.b="),
        ({**STRING, "allowReserved": True}, "a/b:c,d?e&f#g+h;i%2F", "p=a/b:c,d?e%26f%23g%2Bh%3Bi%252F"),
    ],
)  # fmt: skip
def test_a_query_is_written_as_declared(
    gate: Open, box: Sandbox, keywords: dict[str, Any], value: object, query: str
) -> None:
    gate("GET /anything", params={"p": keywords}).ask("m", {"p": value})
    assert box.requests[-1].target == f"/anything?{query}"


@pytest.mark.parametrize(
    "keywords", [LIST, {**LIST, "explode": False}, {**LIST, "array_format": "brackets"}]
)
def test_an_empty_list_is_not_sent(gate: Open, box: Sandbox, keywords: dict[str, Any]) -> None:
    gate("GET /anything", params={"p": keywords}).ask("m", {"p": []})
    assert box.requests[-1].target == "/anything"


def test_only_the_values_that_may_keep_their_delimiters_keep_them(gate: Open, box: Sandbox) -> None:
    params = {"ids": {**LIST, "explode": False}, "q": STRING}
    gate("GET /anything", params=params).ask("m", {"ids": ["1", "2"], "q": "a,b"})
    assert box.requests[-1].target == "/anything?ids=1,2&q=a%2Cb"


@pytest.mark.parametrize(
    ("keywords", "value", "separator"),
    [
        ({**LIST, "explode": False}, ["a,b", "c"], "','"),
        ({**LIST, "style": "pipeDelimited"}, ["a|b"], "'|'"),
        ({**LIST, "array_format": "comma"}, [","], "','"),
    ],
)
def test_an_item_that_would_be_read_as_two_is_refused(
    gate: Open, box: Sandbox, keywords: dict[str, Any], value: list[str], separator: str
) -> None:
    with pytest.raises(InvalidParams) as caught:
        gate("GET /anything", params={"p": keywords}).ask("m", {"p": value})
    assert caught.value.fields == {"p": [f"An item holds {separator}, which separates items."]}
    assert box.requests == []


@pytest.mark.parametrize(
    ("keywords", "text", "query"),
    [
        ({**LIST, "explode": False}, "a,b", "p=a,b"),
        ({**LIST, "style": "pipeDelimited"}, "a|b", "p=a%7Cb"),
        (LIST, "a,b", "p=a%2Cb"),
    ],
)
def test_a_caller_may_give_a_list_in_a_query_as_the_vendor_has_it(
    gate: Open, box: Sandbox, keywords: dict[str, Any], text: str, query: str
) -> None:
    gate("GET /anything", params={"p": keywords}).ask("m", {"p": text}, from_text=True)
    assert box.requests[-1].target == f"/anything?{query}"


@pytest.mark.parametrize(
    ("keywords", "value", "segment"),
    [
        (LIST, ["3", "a/b"], "3,a%2Fb"),
        ({**LIST, "style": "simple", "explode": True}, ["3", "4"], "3,4"),
        ({**PAIR, "style": "simple"}, RGB, "R,100,G,a%26b"),
        ({**PAIR, "style": "simple", "explode": True}, RGB, "R=100,G=a%26b"),
        (PAIR, {"R": 1}, "%7B%22R%22%3A1%7D"),
        ({**STRING, "allowReserved": True}, "src/main.py", "src/main.py"),
        ({**STRING, "allowReserved": True}, "a b/c:d@e;f?g#h", "a%20b/c:d@e%3Bf%3Fg%23h"),
    ],
)
def test_a_path_is_written_as_declared(
    gate: Open, box: Sandbox, keywords: dict[str, Any], value: object, segment: str
) -> None:
    gate("GET /anything/{p}/end", params={"p": keywords}).ask("m", {"p": value})
    assert box.requests[-1].target == f"/anything/{segment}/end"


@pytest.mark.parametrize(
    "value",
    [
        "", "/", "a//b", "/a", "a/", "..", "a/../b", "a/./b", "a/..", "a/%2e%2e/b", "a/..;x/b", "a%2Fb", "a%252fb",
        "a%5Cb", "a\\b", "a/..%2f..", "a/%252e%252e/b",
    ],
)  # fmt: skip
def test_a_path_of_several_segments_cannot_climb_or_hide_one(
    gate: Open, box: Sandbox, value: str
) -> None:
    params = {"p": {**STRING, "allowReserved": True}}
    with pytest.raises(InvalidParams) as caught:
        gate("GET /anything/{p}/end", params=params).ask("m", {"p": value})
    assert caught.value.fields == {"p": ["Not usable in a path."]}
    assert box.requests == []


@pytest.mark.parametrize(
    ("keywords", "value", "text"),
    [
        (LIST, ["a", "b c"], "a,b c"),
        ({**PAIR, "style": "simple"}, {"R": 1, "G": "b"}, "R,1,G,b"),
        ({**PAIR, "style": "simple", "explode": True}, {"R": 1, "G": "b"}, "R=1,G=b"),
        (OPEN, {"path": "/a"}, '{"path":"/a"}'),
        ({"type": "array", "items": OPEN}, [{"a": 1}], '[{"a":1}]'),
    ],
)
def test_a_header_is_written_as_declared(
    gate: Open, box: Sandbox, keywords: dict[str, Any], value: object, text: str
) -> None:
    gate("GET /anything", params={"X-P": {**keywords, "in": "header"}}).ask("m", {"X-P": value})
    assert box.requests[-1].headers["x-p"] == text


ITEMS = {"items": [{"price": "p1", "tags": ["a", "b"]}], "metadata": {"k": "v w"}}


@pytest.mark.parametrize(
    ("body", "form"),
    [
        ({"type": "form", "array_format": "indices", "object_format": "brackets"},
         "items[0][price]=p1&items[0][tags][0]=a&items[0][tags][1]=b&metadata[k]=v w"),
        ({"type": "form", "array_format": "brackets", "object_format": "brackets"},
         "items[][price]=p1&items[][tags][]=a&items[][tags][]=b&metadata[k]=v w"),
        ({"type": "form", "array_format": "numbers", "object_format": "dots"},
         "items.1.price=p1&items.1.tags.1=a&items.1.tags.2=b&metadata.k=v w"),
        ({"type": "form", "array_format": "indices", "object_format": "dots"},
         "items[0].price=p1&items[0].tags[0]=a&items[0].tags[1]=b&metadata.k=v w"),
        ({"type": "form", "object_format": "brackets"},
         "items[price]=p1&items[tags]=a&items[tags]=b&metadata[k]=v w"),
        ({"type": "form", "array_format": "comma", "object_format": "dots"}, None),
        ("form", 'items={"price":"p1","tags":["a","b"]}&metadata={"k":"v w"}'),
    ],
)  # fmt: skip
def test_a_form_is_written_as_its_body_says(
    gate: Open, box: Sandbox, body: object, form: str | None
) -> None:
    params = {"items": {"type": "array"}, "metadata": OPEN}
    at = gate("POST /anything", body=body, params=params)
    if form is None:
        with pytest.raises(InvalidParams):
            at.ask("m", ITEMS)
        return
    at.ask("m", ITEMS)
    assert unquote(box.requests[-1].body.decode()) == form


def test_a_parameter_of_a_form_may_differ_from_the_others(gate: Open, box: Sandbox) -> None:
    params = {"a": LIST, "b": {**LIST, "explode": False}, "c": {**OPEN, "style": "deepObject"}}
    gate("POST /anything", body={"type": "form", "array_format": "brackets"}, params=params).ask(
        "m", {"a": ["1"], "b": ["1", "2"], "c": {"d": "3"}}
    )
    assert unquote(box.requests[-1].body.decode()) == "a[]=1&b=1,2&c[d]=3"


def test_a_signature_covers_a_form_as_it_is_written(gate: Open, box: Sandbox) -> None:
    auth = {"type": "digest", "secret": "k", "sign": "{params}{secret}", "name": "sig"}
    body = {"type": "form", "array_format": "numbers", "object_format": "dots"}
    request = gate(
        "POST /anything", body=body, params={"Filter": {"type": "array"}}, on={"auth": auth}
    ).dry("m", {"Filter": [{"Name": "a"}]})
    assert request.body.startswith(b"Filter.1.Name=a&sig=")


@pytest.mark.parametrize("value", [[{"a": 1}, None], [], {"a": [1]}, "text", None, 5])
def test_a_parameter_may_be_the_whole_body(gate: Open, box: Sandbox, value: object) -> None:
    shapes = [{"type": kind, "nullable": True} for kind in ("array", "object", "string", "integer")]
    params = {"items": {"anyOf": shapes}, "q": {**STRING, "in": "query"}}
    answer = gate("POST /anything", body_param="items", params=params).ask(
        "m", {"items": value, "q": "x"}
    )
    assert (answer["json"], box.requests[-1].target) == (value, "/anything?q=x")
    assert box.requests[-1].headers["content-type"] == "application/json"


def test_without_the_parameter_that_is_the_body_there_is_none(gate: Open, box: Sandbox) -> None:
    gate("POST /anything", body_param="items", params={"items": LIST}).ask("m", {})
    request = box.requests[-1]
    assert (request.body, request.headers.get("content-type")) == (b"", None)
