"""Checks that a method's parameters fit its path, its mask and its body.

document.complain_of_all(check_params(method), ("services", "s", "methods", "m"))
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gateway.bodies.xml_names import XML_MEMBER
from gateway.catalog.model import Method, Param, kind_of
from gateway.catalog.yaml.document import Advice, Path_, flatten_messages
from schemas.catalog.fields import SETTABLE_HEADER
from schemas.catalog.hints import did_you_mean
from schemas.catalog.params import value_problems
from schemas.numbers import ExactNumber

#: A regular expression as JavaScript writes one.
_SLASHED_PATTERN = re.compile(r"/(.*[\\^$\[(*+?.|].*)/[dgimsuvy]*", re.S)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def check_params(method: Method) -> Iterator[Advice]:
    """Yield where path, params and mask do not meet, and where a default does not fit."""
    names = {param.name for param in method.params}
    path_names = {param.name for param in method.params if param.place == "path"}
    placeholders = set(_PLACEHOLDER.findall(method.path))
    for name in sorted(names):
        if f"/${name}" in method.path:
            yield ("http",), f"${name} would be sent as it is; write {{{name}}}"
    for name in sorted(placeholders - names):
        hint = did_you_mean(name, names - placeholders)
        yield ("http",), f"the path has {{{name}}} but params declare no {name!r}{hint}"
    for name in sorted(path_names - placeholders):
        yield ("params", name, "in"), f"in: path, but the path has no {{{name}}}"
    for name in sorted(method.mask - names):
        hint = did_you_mean(name, names)
        yield ("mask",), f"{name!r} is not one of the method's params{hint}"
    for param in method.params:
        place: Path_ = ("params", param.name)
        if param.place == "header" and not re.fullmatch(SETTABLE_HEADER, param.name):
            yield place, "not a header's name that a parameter may have"
        for message in _misfits(param.keywords, "default"):
            yield (*place, "default"), message
        yield from _check_enum(place, param.keywords)


def _misfits(keywords: Mapping[str, Any], key: str) -> Iterator[str]:
    """Yield why the value at a key, if there is one, is not as the declaration beside it says."""
    if key not in keywords:
        return
    value = keywords[key]
    declaration = {
        name: inner for name, inner in keywords.items() if name not in ("default", "required")
    }
    hint = ""
    if keywords.get("type") == "string" and isinstance(value, bool | float | int | ExactNumber):
        hint = " Quote it."
    for _, message in flatten_messages(value_problems(declaration, value)):
        yield f"does not fit its own declaration: {message}{hint}"


def _check_enum(path: Path_, keywords: Mapping[str, Any]) -> Iterator[Advice]:
    """Yield where none of the allowed values has the type, here or further in."""
    kind = keywords.get("type")
    values = keywords.get("enum", [None])
    if kind and all(
        value is not None and value_problems({"type": kind}, value) for value in values
    ):
        yield (*path, "enum"), f"has no {kind}, so no value would do; quote texts, and no numbers"
    if "items" in keywords:
        yield from _check_enum((*path, "items"), keywords["items"])
    for name, inner in keywords.get("properties", {}).items():
        yield from _check_enum((*path, "properties", name), inner)


def check_declarations(path: Path_, params: Iterable[Param]) -> Iterator[Advice]:
    """Yield a note for each example that does not fit, and for each pattern between slashes."""
    for param in params:
        yield from _check_declaration((*path, "params", param.name), param.keywords)


def _check_declaration(path: Path_, keywords: Mapping[str, Any]) -> Iterator[Advice]:
    if slashed := _SLASHED_PATTERN.fullmatch(keywords.get("pattern", "")):
        yield (
            (*path, "pattern"),
            f"its slashes are a part of it, which a value would need, too; write {slashed[1]}",
        )
    for message in _misfits(keywords, "example"):
        yield (*path, "example"), message
    for key in ("items", "additionalProperties"):
        if isinstance(keywords.get(key), Mapping):
            yield from _check_declaration((*path, key), keywords[key])
    for name, inner in keywords.get("properties", {}).items():
        yield from _check_declaration((*path, "properties", name), inner)


def check_body(method: Method) -> Iterator[Advice]:
    """Yield where the body's format cannot hold the parameters."""
    kind = kind_of(method.body)
    names = [param.name for param in method.params if param.place == "body"]
    if kind == "raw" and len(names) > 1:
        yield ("body",), f"raw is one param and nothing else, but here are {', '.join(names)}"
    for name in names:
        if kind == "xml" and name != "#text" and not re.fullmatch(XML_MEMBER, name):
            message = "not an XML name; body: xml makes an element of each param"
            yield ("params", name), message


def check_xml_prefixes(method: Method) -> Iterator[Advice]:
    """Yield where an outer element declares attributes, but not its path's prefixes."""
    body = {} if isinstance(method.body, str) else method.body
    if "attributes" not in body:
        return
    names = set(body["attributes"]) | {param.name.removeprefix("@") for param in method.params}
    for name in body.get("root", "xml").split("/"):
        prefix, colon, _ = name.partition(":")
        if colon and f"xmlns:{prefix}" not in names:
            yield ("body",), f"nothing declares the prefix of {name}; add xmlns:{prefix}"


def check_body_param(method: Method) -> Iterator[Advice]:
    """Yield where the parameter that is the whole body does not exist, or has one beside it."""
    whole = method.body_param
    if whole is None:
        return
    names = [param.name for param in method.params if param.place == "body"]
    if kind_of(method.body) != "json":
        yield ("body_param",), "belongs to body: json"
    elif whole not in names:
        yield ("body_param",), f"{whole!r} is not one of the params in the body"
    for name in names:
        if name != whole:
            message = f"the whole body is {whole!r}; write in: query or in: header for this one"
            yield ("params", name), message
