"""Bodies as services get them: multipart, XML, raw; checked where they arrive."""

from __future__ import annotations

from collections.abc import Callable
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from xml.etree import ElementTree

import pytest

from gateway.errors import InvalidParams
from sandbox import Request, Sandbox
from tests.gateway.fakes import Gate

Open = Callable[..., Gate]
TEXT = {"type": "string"}
FILE = {"type": "object"}
ANY: dict[str, dict[str, Any]] = {
    "a": TEXT,
    "n": {"type": "number"},
    "list": {"type": "array"},
    "o": {"type": "object"},
}


def sent(
    box: Sandbox, gate: Open, body: Any, declared: Any, params: dict[str, Any], **method: Any
) -> Request:
    gate("POST /anything", body=body, params=declared, **method).ask(params=params)
    return box.requests[-1]


def refused(gate: Open, body: Any, declared: Any, params: dict[str, Any]) -> Any:
    with pytest.raises(InvalidParams) as caught:
        gate("POST /anything", body=body, params=declared).ask(params=params)
    return caught.value.fields


def parts(request: Request) -> list[tuple[str, str | None, str, bytes]]:
    """(name, filename, content type, bytes) of each, as Python's own MIME parser reads them."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    whole = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + request.body)
    read = []
    for part in whole.iter_parts():
        name = part.get_param("name", header="content-disposition")
        read.append(
            (str(name), part.get_filename(), part.get_content_type(), part.get_payload(decode=True))
        )
    return read  # type: ignore[return-value]


def test_multipart_holds_texts_and_files(box: Sandbox, gate: Open) -> None:
    request = sent(
        box, gate, "multipart", {**ANY, "media": FILE, "bare": {"type": "string", "format": "binary"}},
        {"a": "中 text", "n": 1.5, "list": ["x", True], "o": {"k": "v"}, "bare": "AAEC/w==",
         "media": {"filename": "cat.png", "content_type": "image/png", "base64": "iVBORw=="}},
    )  # fmt: skip
    assert request.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert sorted(parts(request)) == [
        ("a", None, "text/plain", "中 text".encode()),
        ("bare", "bare", "application/octet-stream", b"\x00\x01\x02\xff"),
        ("list", None, "text/plain", b"true"),
        ("list", None, "text/plain", b"x"),
        ("media", "cat.png", "image/png", b"\x89PNG"),
        ("n", None, "text/plain", b"1.5"),
        ("o", None, "application/json", b'{"k":"v"}'),
    ]


def test_several_files_go_under_one_name(box: Sandbox, gate: Open) -> None:
    files = [{"filename": f"{n}.txt", "base64": "aGk="} for n in range(3)]
    request = sent(box, gate, "multipart", {"f": {"type": "array"}}, {"f": files})
    assert [name for _, name, _, _ in parts(request)] == ["0.txt", "1.txt", "2.txt"]


def test_a_filename_cannot_end_its_header(box: Sandbox, gate: Open) -> None:
    name = 'a"\r\nContent-Type: text/html\r\n\r\n<中>.png'
    request = sent(box, gate, "multipart", {"f": FILE}, {"f": {"filename": name, "base64": "aGk="}})
    assert (
        b'filename="a%22%0D%0AContent-Type: text/html%0D%0A%0D%0A<\xe4\xb8\xad>.png"\r\n'
        in request.body
    )
    assert [(kind, data) for _, _, kind, data in parts(request)] == [
        ("application/octet-stream", b"hi")
    ]


@pytest.mark.parametrize(
    ("value", "say"),
    [
        ({"base64": "not base64!"}, "Not valid base64."),
        ({"base64": "aGk"}, "Not valid base64."),
        ({"base64": 5}, "Not valid base64."),
        ({"base64": "aGk=", "content_type": "image/png\r\nX: y"},
         "content_type is not a media type, such as image/png."),
        ({"base64": "aGk=", "content_type": 5}, "A file is given as filename, content_type and base64."),
        ({"base64": "aGk=", "filename": None}, "A file is given as filename, content_type and base64."),
        ({"base64": "aGk=", "name": "x"}, "A file is given as filename, content_type and base64."),
    ],
)  # fmt: skip
def test_what_is_no_file_is_the_callers_mistake_and_nothing_is_sent(
    box: Sandbox, gate: Open, value: Any, say: str
) -> None:
    assert refused(gate, "multipart", {"f": FILE}, {"f": value}) == {"f": [say]}
    assert box.requests == []


def test_who_was_shown_the_boundary_cannot_add_parts(box: Sandbox, gate: Open) -> None:
    at = gate("POST /anything", body="multipart", params={"a": TEXT})
    at.ask(params={"a": "x"})
    boundary = box.requests[-1].headers["content-type"].partition("boundary=")[2]
    with pytest.raises(InvalidParams) as caught:
        at.ask(
            params={
                "a": f'x\r\n--{boundary}\r\nContent-Disposition: form-data; name="admin"\r\n\r\n1'
            }
        )
    assert caught.value.fields == {"a": ["Holds what ends a part."]}


def test_xml_is_an_element_for_each_param(box: Sandbox, gate: Open) -> None:
    params = {
        "a": "<中> & ]]>",
        "n": 1.5,
        "list": ["x", True],
        "o": {"#text": "t", "k": ["v", "w"], "@id": 'q"'},
    }
    request = sent(box, gate, "xml", ANY, params)
    assert request.headers["content-type"] == "application/xml; charset=utf-8"
    root = ElementTree.fromstring(request.body)
    assert root.tag == "xml"
    assert [(element.tag, element.text) for element in root] == [
        ("a", "<中> & ]]>"), ("n", "1.5"), ("list", "x"), ("list", "true"), ("o", "t"),
    ]  # fmt: skip
    assert root[4].attrib == {"id": 'q"'}
    assert [element.text for element in root[4]] == ["v", "w"]


@pytest.mark.parametrize(
    "text", ["", " a \t\r\n b\r", "\u2028", "\U0001f642", "&amp;<![CDATA[x]]>"]
)
def test_xml_texts_arrive_as_they_were_given(box: Sandbox, gate: Open, text: str) -> None:
    request = sent(box, gate, "xml", {"a": TEXT, "o": FILE}, {"a": text, "o": {"@k": text}})
    root = ElementTree.fromstring(request.body)
    assert (root[0].text or "", root[1].attrib["k"]) == (text, text)


def test_the_root_has_the_declared_name_and_attributes(box: Sandbox, gate: Open) -> None:
    declared = {"@xmlns:s": {"type": "string", "default": "urn:x"}, "s:Key": TEXT}
    request = sent(box, gate, {"type": "xml", "root": "s:Tag"}, declared, {"s:Key": "k"})
    assert request.body == b'<s:Tag xmlns:s="urn:x"><s:Key>k</s:Key></s:Tag>'


@pytest.mark.parametrize(
    ("params", "say"),
    [
        ({"a": "\x00"}, "Has characters that XML cannot hold."),
        ({"a": "\uffff"}, "Has characters that XML cannot hold."),
        ({"o": {"@k": "\x0b"}}, "Has characters that XML cannot hold."),
        ({"o": {"a><b": "x"}}, "Has a key that is no XML name."),
        ({"o": {"@a='1' b": "x"}}, "Has a key that is no XML name."),
        ({"o": {"": "x"}}, "Has a key that is no XML name."),
        ({"o": {"deeper": [{"5": "x"}]}}, "Has a key that is no XML name."),
    ],
)
def test_what_xml_cannot_hold_is_the_callers_mistake(
    box: Sandbox, gate: Open, params: Any, say: str
) -> None:
    assert refused(gate, "xml", ANY, params) == {next(iter(params)): [say]}
    assert box.requests == []


def test_raw_is_one_param_as_it_is(box: Sandbox, gate: Open) -> None:
    request = sent(box, gate, "raw", {"a": TEXT}, {"a": "中\r\n"})
    assert (request.headers["content-type"], request.body) == (
        "text/plain; charset=utf-8",
        "中\r\n".encode(),
    )


def test_raw_bytes_come_as_base64(box: Sandbox, gate: Open) -> None:
    declared = {"a": {"type": "string", "format": "byte"}}
    request = sent(box, gate, "raw", declared, {"a": "AAEC/w=="})
    assert (request.headers["content-type"], request.body) == (
        "application/octet-stream",
        b"\x00\x01\x02\xff",
    )
    assert refused(gate, "raw", declared, {"a": "AAEC/w"}) == {"a": ["Not valid base64."]}


def test_raw_has_the_declared_content_type(box: Sandbox, gate: Open) -> None:
    request = sent(
        box, gate, {"type": "raw", "content_type": "text/csv"}, {"a": TEXT}, {"a": "x,y"}
    )
    assert (request.headers["content-type"], request.body) == ("text/csv", b"x,y")


def test_raw_of_an_object_is_json(box: Sandbox, gate: Open) -> None:
    request = sent(
        box,
        gate,
        {"type": "raw", "content_type": "application/ld+json"},
        {"o": FILE},
        {"o": {"k": "中"}},
    )
    assert request.body == '{"k":"中"}'.encode()


@pytest.mark.parametrize(
    ("body", "empty"), [("raw", b""), ("xml", b"<xml></xml>"), ("form", b""), ("json", b"{}")]
)
def test_no_params_given_is_an_empty_body(
    box: Sandbox, gate: Open, body: str, empty: bytes
) -> None:
    assert sent(box, gate, body, {"a": TEXT}, {}).body == empty


def test_each_attempt_sends_the_same_parts(box: Sandbox, gate: Open) -> None:
    box.fault("/anything", "status=503x2")
    retry = {"times": 2, "backoff": 0.001, "on": [503]}
    at = gate("PUT /anything", body="multipart", params={"f": FILE}, retry=retry)
    at.ask(params={"f": {"filename": "a", "base64": "aGk="}})
    assert [parts(request) for request in box.requests] == [
        [("f", "a", "application/octet-stream", b"hi")]
    ] * 3


def test_a_declared_content_type_takes_the_place_of_the_usual_one(box: Sandbox, gate: Open) -> None:
    request = sent(box, gate, "xml", {"a": TEXT}, {"a": "x"}, headers={"content-type": "text/xml"})
    assert request.headers["content-type"] == "text/xml"
