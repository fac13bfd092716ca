"""Replies in XML, text and bytes, in whatever charset, as the caller's JSON; nothing a vendor sends costs more."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.bodies import digest, load_json
from gateway.bodies.xml import STEP_CHARACTERS, read_xml
from gateway.errors import BadResponse
from sandbox.vendors.formats import GBK_TEXT
from tests.gateway.fakes import Gate, Wire, answer

Open = Callable[..., Gate]
OnWire = Callable[..., tuple[Wire, Gate]]


def read(wire: OnWire, body: bytes, response: Any, *headers: str) -> Any:
    _, at = wire(answer(body, "200 OK", *headers), response=response)
    return at.ask()


def unreadable(wire: OnWire, body: bytes, response: Any, *headers: str) -> str:
    with pytest.raises(BadResponse) as caught:
        read(wire, body, response, *headers)
    return caught.value.detail or ""


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("<a><b>1</b><c/></a>", {"b": "1", "c": ""}),
        ("<a><b>1</b><b>2</b><c><b>3</b></c></a>", {"b": ["1", "2"], "c": {"b": "3"}}),
        ("<a><b><c>1</c></b><b><c>2</c></b><b/></a>", {"b": [{"c": "1"}, {"c": "2"}, ""]}),
        ("<string>just text</string>", "just text"),
        ("<a> \n <b> x </b> \n </a>", {"b": " x "}),
        ('<a id="7"><b k="v">t</b></a>', {"@id": "7", "b": {"@k": "v", "#text": "t"}}),
        (
            '<s:a xmlns:s="urn:s" xmlns="urn:d" s:k="v"><b>1</b><s:c>2</s:c></s:a>',
            {"@k": "v", "b": "1", "c": "2"},
        ),
        ("<a><![CDATA[<b>&amp;</b>]]></a>", "<b>&amp;</b>"),
        ("<a>&lt;&#20013;&#x4e2d;&amp;&quot;</a>", '<中中&"'),
        ("<?xml version='1.0'?><!-- c --><?pi?><a>x<!-- c -->y<?pi?></a>", "xy"),
        ("", None),
    ],
)
def test_xml_is_read_as_json_values(wire: OnWire, body: str, value: object) -> None:
    assert read(wire, body.encode(), "xml") == value


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_declared_list_is_one_however_many_there_are(wire: OnWire, count: int) -> None:
    body = f"<a><Contents>{'<Key>k</Key>' * count}</Contents></a>".encode()
    data = read(wire, body, {"type": "xml", "lists": ["Key", "Contents"]})
    assert data == {"Contents": [{"Key": ["k"] * count}] if count else [""]}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<a>", "not XML"), (b"<a></b>", "not XML"), (b"<a/><b/>", "not XML"), (b"{}", "not XML"),
        (b"<a>&nbsp;</a>", "not XML"), (b"<a>\x00</a>", "not XML"), (b"<a>\xff</a>", "not UTF-8"),
        (b"<html><br><p>Bad Gateway</html>", "not XML"),
        (b"<a>" * 65 + b"</a>" * 65, "nested deeper than 64 levels"),
        (b"<a>" * 100_000, "nested deeper than 64 levels"),
        (b"<!DOCTYPE html><html/>", "XML with a DTD"),
        (b'<!DOCTYPE a [<!ENTITY b "hunter22">]><a>&b;</a>', "XML with a DTD"),
        (b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "XML with a DTD"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/x.dtd"><a/>', "XML with a DTD"),
        (b'<!DOCTYPE l [<!ENTITY l "l"><!ENTITY m "&l;&l;&l;&l;&l;&l;"><!ENTITY n "&m;&m;&m;&m;">]><l>&n;</l>',
         "XML with a DTD"),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else None,
)  # fmt: skip
def test_what_is_not_plain_xml_is_a_bad_response(wire: OnWire, body: bytes, why: str) -> None:
    message = unreadable(wire, body, "xml", "Content-Type: text/xml")
    assert message.startswith(f"HTTP 200, text/xml: {why}")
    assert "hunter22" not in message


def test_an_entity_bomb_is_refused_before_it_grows(wire: OnWire) -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    body = f'<!DOCTYPE l [<!ENTITY l0 "lol">{levels}]><l>&l9;</l>'.encode()
    assert "XML with a DTD" in unreadable(wire, body, "xml")


def test_more_elements_than_a_worker_has_time_for_are_a_bad_response(wire: OnWire) -> None:
    assert "more than 500000 elements" in unreadable(
        wire, b"<a>" + b"<b/>" * 500_000 + b"</a>", "xml"
    )


def test_large_xml_is_read_with_a_pause_for_each_step() -> None:
    body = b"<a>" + b"<b>x</b>" * STEP_CHARACTERS + b"</a>"
    pauses: list[None] = []
    value = read_xml(body, "text/xml", None, (), lambda: pauses.append(None))
    assert value == {"b": ["x"] * STEP_CHARACTERS}
    assert len(pauses) > len(b"<b>x</b>")


def test_xml_of_64_levels_is_read(wire: OnWire) -> None:
    value = read(wire, b"<a>" * 64 + b"x" + b"</a>" * 64, "xml")
    for _ in range(63):
        value = value["a"]
    assert value == "x"


@pytest.mark.parametrize(
    ("path", "response", "data"),
    [
        ("text", "text", GBK_TEXT),
        ("json", "json", {"余额": GBK_TEXT}),
        ("xml", "xml", {"余额": GBK_TEXT}),
        ("bare", {"type": "text", "charset": "gbk"}, GBK_TEXT),
    ],
)
def test_replies_in_gbk_are_read(gate: Open, path: str, response: Any, data: object) -> None:
    assert gate(f"GET /gbk/{path}", response=response).ask() == data


def test_gbk_that_nobody_declares_is_a_bad_response(gate: Open) -> None:
    with pytest.raises(BadResponse, match="agreed"):
        gate("GET /gbk/bare", response="text").ask()


@pytest.mark.parametrize(
    ("charset", "codec"),
    [("GBK", "gbk"), ("gb2312", "gbk"), ("GB18030", "gb18030"), ("big5", "big5"), ("utf-16", "utf-16"),
     ("UTF-16LE", "utf-16-le"), ('"utf-8"', "utf-8"), ("UTF8", "utf-8-sig")],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["text", "json", "xml"])
def test_the_charset_of_the_content_type_is_honoured(
    wire: OnWire, kind: str, charset: str, codec: str
) -> None:
    body, data = {
        "text": ("中文", "中文"),
        "json": ('["中文"]', ["中文"]),
        "xml": ("<a>中文</a>", "中文"),
    }[kind]
    assert (
        read(wire, body.encode(codec), kind, f"Content-Type: x/y; a=b; charset={charset}; c=d")
        == data
    )


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_byte_order_mark_counts_more_than_any_declaration(
    wire: OnWire, kind: str, codec: str
) -> None:
    response = {"type": kind, "charset": "gbk"}
    assert read(wire, '"中"'.encode(codec), response, "Content-Type: x/y; charset=big5") in (
        "中",
        '"中"',
    )


def test_what_the_catalog_says_counts_more_than_the_header(wire: OnWire) -> None:
    response = {"type": "json", "charset": "utf-8"}
    assert (
        read(wire, '"é"'.encode(), response, "Content-Type: application/json;charset=ISO-8859-1")
        == "é"
    )


def test_the_header_counts_more_than_the_xml_declaration(wire: OnWire) -> None:
    body = '<?xml version="1.0" encoding="GBK"?><a>中</a>'.encode()
    assert read(wire, body, "xml", "Content-Type: text/xml; charset=utf-8") == "中"


@pytest.mark.parametrize(
    "name", ["rot13", "zip", "punycode", "unicode_escape", "idna", "utf-7", "x" * 500, "é"]
)
@pytest.mark.parametrize("kind", ["text", "xml"])
def test_only_charsets_that_text_comes_in_are_known(wire: OnWire, kind: str, name: str) -> None:
    message = unreadable(wire, b"<a/>", kind, f"Content-Type: text/plain; charset={name}")
    assert "in a charset that is not known" in message
    assert len(message) < 200


def test_a_reply_that_is_not_in_its_charset_is_a_bad_response(wire: OnWire) -> None:
    assert "not GB18030" in unreadable(
        wire, b"\xff\xff", "text", "Content-Type: text/plain; charset=gbk"
    )


def test_bytes_come_as_base64_with_their_content_type(wire: OnWire) -> None:
    data = read(wire, b"\x89PNG\x00\xff", "bytes", "Content-Type: image/png")
    assert data == {"content_type": "image/png", "base64": "iVBORwD/"}
    assert json.dumps(data)


def test_bytes_of_no_declared_type_are_octets(wire: OnWire) -> None:
    assert read(wire, b"", "bytes") == {"content_type": "application/octet-stream", "base64": ""}


def test_no_object_that_a_caller_sends_counts_as_a_number_where_answers_are_kept() -> None:
    assert digest(load_json(b'{"\\u0000digits": "1.10"}', strict=True)) != digest(
        load_json(b"1.10")
    )
    with pytest.raises(ValueError, match="surrogate"):
        load_json(b'{"\\ud800": "1.10"}', strict=True)
