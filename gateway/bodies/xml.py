"""XML both ways: children are keys, ``@name`` are attributes, ``#text`` the text beside either.

The root's name stands in no key. Prefixes and namespaces are dropped when reading; no DTD, so no
entities.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from gateway.bodies.json import MAX_DEPTH, to_text
from gateway.bodies.text import decode_text
from gateway.bodies.xml_names import XML_MEMBER
from gateway.errors import fields_error

MAX_ELEMENTS = 500_000  # and attributes: a second of a worker's time
STEP_CHARACTERS = 65_536  # that are parsed at once, which may take tens of milliseconds
_DECLARED = re.compile(rb"""\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, 2.2


def read_xml(
    body: bytes,
    content_type: str,
    charset: str | None,
    lists: Collection[str],
    pause: Callable[[], None],
) -> Any:
    """Return the root's value: a text, or a mapping in which a repeated element is a list.

    :param lists: names of elements that are a list even if there is one.
    :param pause: called between two steps.
    :raises ValueError: it is not XML, has a DTD, is nested too deeply or has too many elements.
    """
    declared = _DECLARED.match(body)
    text = decode_text(body, content_type, charset, declared and declared[1].decode())
    parser = DefusedXMLParser(target=_ValueBuilder(frozenset(lists)), forbid_dtd=True)
    try:
        for start in range(0, len(text), STEP_CHARACTERS):
            parser.feed(text[start : start + STEP_CHARACTERS])
            pause()
        return parser.close()
    except DefusedXmlException as error:
        raise ValueError("XML with a DTD") from error
    except ParseError as error:
        line, column = error.position
        raise ValueError(f"not XML at line {line} column {column}") from error.with_traceback(None)
    finally:
        vars(parser).clear()  # it and expat refer to each other


class _ValueBuilder:
    """Builds the value as the parser calls it (``xml.etree.ElementTree.TreeBuilder``'s names)."""

    def __init__(self, lists: frozenset[str]) -> None:
        self._lists = lists
        self._open: list[tuple[dict[str, Any], list[str]]] = []
        self._count = 0
        self._root: Any = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self._count += 1 + len(attributes)
        if self._count > MAX_ELEMENTS:
            raise ValueError(f"more than {MAX_ELEMENTS} elements and attributes")
        if len(self._open) == MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
        members = {f"@{_local_name(name)}": value for name, value in attributes.items()}
        self._open.append((members, []))

    def data(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, tag: str) -> None:
        members, texts = self._open.pop()
        text = "".join(texts)
        if members and text.strip():
            members["#text"] = text
        value = members or text
        if self._open:
            self._add(_local_name(tag), value)
        else:
            self._root = value

    def _add(self, name: str, value: Any) -> None:
        parent = self._open[-1][0]
        if name not in parent:
            parent[name] = [value] if name in self._lists else value
        elif isinstance(parent[name], list):
            parent[name].append(value)
        else:
            parent[name] = [parent[name], value]

    def close(self) -> Any:
        return self._root


def _local_name(name: str) -> str:
    return name.rpartition("}")[2]


def make_xml_writer(
    path: str, attributes: Mapping[str, str]
) -> Callable[[Mapping[str, object]], bytes]:
    """Return what writes UTF-8 without a declaration: an element for each parameter.

    A list repeats its element. The writer raises ``InvalidParams`` for what XML cannot hold.

    :param path: names of the elements around them, such as ``soap:Envelope/soap:Body/Add``.
    :param attributes: of the first of these.
    """
    *outer, inner = path.split("/")
    first = [_member(f"@{name}", value) for name, value in attributes.items()]
    before = ""
    if outer:
        opening = "".join(attribute for attribute, _ in first)
        before = f"<{outer[0]}{opening}>" + "".join(f"<{name}>" for name in outer[1:])
        first = []
    after = "".join(f"</{name}>" for name in reversed(outer))

    def write(params: Mapping[str, object]) -> bytes:
        members = first.copy()
        for name, value in params.items():
            try:
                members.append(_member(name, value))
            except ValueError as error:
                raise fields_error(name, [str(error)]) from error
        return f"{before}{_tag(inner, members)}{after}".encode()

    return write


def _tag(name: str, members: list[tuple[str, str]]) -> str:
    attributes = "".join(attribute for attribute, _ in members)
    content = "".join(text for _, text in members)
    return f"<{name}{attributes}>{content}</{name}>"


def _member(key: str, value: object) -> tuple[str, str]:
    """Return what a key puts into the tag above it, and between that and its end."""
    if key == "#text":
        return "", _escaped(value)
    if not re.fullmatch(XML_MEMBER, key):
        raise ValueError("Has a key that is no XML name.")
    if key.startswith("@"):
        return f" {key[1:]}={quoteattr(_checked_text(value))}", ""
    return "", _element(key, value)


def _element(name: str, value: object) -> str:
    if isinstance(value, list):
        return "".join(_element(name, item) for item in value)
    if isinstance(value, Mapping):
        return _tag(name, [_member(key, member) for key, member in value.items()])
    return f"<{name}>{_escaped(value)}</{name}>"


def _escaped(value: object) -> str:
    return escape(_checked_text(value), {"\r": "&#13;"})  # a bare one would arrive as a line feed


def _checked_text(value: object) -> str:
    text = to_text(value)
    if _NO_XML.search(text):
        raise ValueError("Has characters that XML cannot hold.")
    return text
