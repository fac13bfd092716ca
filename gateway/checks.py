"""What no single key of a catalog shows: names that must meet, defaults that must fit, files that must be there."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.catalog import Param, Tls
from gateway.document import Document, Path_
from schemas.params import value_problems
from schemas.shapes import SETTABLE_HEADER

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def flat(messages: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    if isinstance(messages, dict):
        for key, each in messages.items():
            yield from flat(each, path if key == "_schema" else (*path, "in" if key == "in_" else key))
    else:
        for each in messages if isinstance(messages, list) else [messages]:
            yield path, str(each)


def check_params(
    document: Document, path: Path_, template: str, params: tuple[Param, ...], raw: Mapping[str, Any]
) -> None:
    """Path, params and mask name each other, and every default fits its own declaration."""
    names = {param.name for param in params}
    in_path = {param.name for param in params if param.place == "path"}
    holes = _PLACEHOLDER.findall(template)
    for hole in sorted(set(holes) - names):
        document.complain((*path, "http"), f"the path has {{{hole}}} but params declare no {hole!r}")
    for name in sorted(in_path - set(holes)):
        document.complain((*path, "params", name, "in"), f"in: path, but the path has no {{{name}}}")
    for name in sorted(set(raw.get("mask", ())) - names):
        document.complain((*path, "mask"), f"{name!r} is not one of the method's params")
    for param in params:
        if param.place == "header" and not re.fullmatch(SETTABLE_HEADER, param.name):
            document.complain((*path, "params", param.name), "not a header's name that a parameter may have")
        _check_default(document, (*path, "params", param.name), param)


def _check_default(document: Document, path: Path_, param: Param) -> None:
    if "default" not in param.keywords:
        return
    keywords = {key: value for key, value in param.keywords.items() if key not in ("default", "required")}
    for _, say in flat(value_problems(keywords, param.keywords["default"])):
        document.complain((*path, "default"), f"does not fit its own declaration: {say}")


def check_fallbacks(document: Document, services: Mapping[str, Any]) -> None:
    """A fallback names a method that exists and never leads back to itself."""
    known = {f"{service}.{method}" for service in services for method in services[service].get("methods", {})}
    leads: dict[str, str] = {}
    for service, raw in services.items():
        for method, settings in raw.get("methods", {}).items():
            target = settings.get("fallback", {}).get("call")
            if target:
                leads[f"{service}.{method}"] = target
                if target not in known:
                    where: Path_ = ("services", service, "methods", method, "fallback", "call")
                    document.complain(where, f"there is no method {target!r}; write service.method of this catalog")
    for start in leads:
        seen = [start]
        while (following := leads.get(seen[-1])) and following not in seen:
            seen.append(following)
        if following == start:
            service, method = start.split(".", 1)
            where = ("services", service, "methods", method, "fallback")
            document.complain(where, f"goes in a circle: {' -> '.join([*seen, start])}")


def tls_files(document: Document, where: Path_, raw: Mapping[str, str]) -> Tls:
    """The service's PEM files, tried out."""
    tls = Tls(**raw)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if tls.ca:
            context.load_verify_locations(tls.ca)
    except (OSError, ValueError):  # ssl.SSLError is one; a NUL in a name is the other
        document.complain((*where, "ca"), "must name a PEM file of certificates that can be read")
    if tls.key and not tls.cert:
        document.complain((*where, "key"), "needs cert, too")
    try:
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key, password="")  # or it would ask the terminal
    except (OSError, ValueError):
        say = "must name a PEM file of a certificate and, here or as key, its unencrypted private key"
        document.complain((*where, "cert"), say)
    return tls
