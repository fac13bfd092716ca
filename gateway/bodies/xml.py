"""XML both ways: an element's children are keys, ``@name`` are its attributes, ``#text`` its text beside either.

The root's name stands in no key. Prefixes and namespaces are dropped when reading; no DTD, so no entities.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from gateway.bodies.json import MAX_DEPTH, to_text
from gateway.bodies.text import decode_text
from gateway.errors import fields_error

XML_NAME = r"[A-Za-z_\u4e00-\u9fff][\w.\u4e00-\u9fff-]*"
XML_NAME = rf"(?a:{XML_NAME}(:{XML_NAME})?)"  # with a prefix, perhaps
XML_MEMBER = f"@?{XML_NAME}"
MAX_ELEMENTS = 500_000  # a second of a worker's time, in which it does nothing else
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def read_xml(body: bytes, content_type: str, charset: str | None, lists: Collection[str]) -> Any:
    """The root's value: a text, or a mapping, in which an element that is repeated is a list.

    :param lists: names of elements that are a list even if there is one.
    :raises ValueError: with a short reason: not XML, has a DTD, nested too deeply, too many elements.
    """
    declared = _DECLARED.match(body)
    text = decode_text(body, content_type, charset, declared and declared[1].decode())
    parser = DefusedXMLParser(target=_Values(frozenset(lists)), forbid_dtd=True)
    try:
        parser.feed(text)
        return parser.close()
    except DefusedXmlException as error:
        raise ValueError("XML with a DTD") from error
    except ParseError as error:
        line, column = error.position
        raise ValueError(f"not XML at line {line} column {column}") from error.with_traceback(None)
    finally:
        vars(parser).clear()  # it and expat refer to each other


class _Values:
    """What the parser calls as it goes (``xml.etree.ElementTree.TreeBuilder``'s names)."""

    def __init__(self, lists: frozenset[str]) -> None:
        self._lists = lists
        self._open: list[tuple[dict[str, Any], list[str]]] = []
        self._seen = 0
        self._root: Any = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._seen += 1 + len(attributes)
        if self._seen > MAX_ELEMENTS:
            raise ValueError(f"more than {MAX_ELEMENTS} elements and attributes")
        if len(self._open) == MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        self._open.append(({f"@{_local(name)}": value for name, value in attributes.items()}, []))

    def data(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, tag: str) -> None:
        inside, texts = self._open.pop()
        text = "".join(texts)
        if inside and text.strip():
            inside["#text"] = text
        value, name = inside or text, _local(tag)
        if not self._open:
            self._root = value
            return
        above = self._open[-1][0]
        if name not in above:
            above[name] = [value] if name in self._lists else value
        elif isinstance(above[name], list):
            above[name].append(value)
        else:
            above[name] = [above[name], value]

    def close(self) -> Any:
        return self._root


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def write_xml(params: Mapping[str, object], root: str) -> bytes:
    """UTF-8 without a declaration: an element for each parameter, a list is the element repeated.

    :raises InvalidParams: XML cannot hold it.
    """
    members = []
    for name, value in params.items():
        try:
            members.append(_member(name, value))
        except ValueError as error:
            raise fields_error(name, [str(error)]) from error
    return _around(root, members).encode()


def _around(name: str, members: list[tuple[str, str]]) -> str:
    attributes, inside = "".join(each for each, _ in members), "".join(each for _, each in members)
    return f"<{name}{attributes}>{inside}</{name}>"


def _member(key: str, value: object) -> tuple[str, str]:
    """What a key puts into the tag above it, and between that and its end."""
    if key == "#text":
        return "", _escaped(value)
    if not re.fullmatch(XML_MEMBER, key):
        raise ValueError("Has a key that is no XML name.")
    if key.startswith("@"):
        return f" {key[1:]}={quoteattr(_sound(value))}", ""
    return "", _element(key, value)


def _element(name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_element(name, each) for each in value)
    if isinstance(value, Mapping):
        return _around(name, [_member(key, each) for key, each in value.items()])
    return f"<{name}>{_escaped(value)}</{name}>"


def _escaped(value: object) -> str:
    return escape(_sound(value), {"\r": "&#13;"})  # a bare one would arrive as a line feed


def _sound(value: object) -> str:
    text = to_text(value)
    if _NO_XML.search(text):
        raise ValueError("Has characters that XML cannot hold.")
    return text
