"""What no single key of a catalog shows: names that must meet, defaults that must fit, files that must be there."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.bodies.xml import XML_MEMBER
from gateway.catalog.aggregates import REQUEST, Aggregate, AggregatePart, read_references
from gateway.catalog.model import STREAMED_BODIES, Param, Service, Tls, kind_of
from gateway.catalog.private_addresses import inside_literally
from gateway.catalog.yaml_document import Document, Path_
from gateway.signers import SIGNERS
from gateway.system import MAX_SECRET_BYTES, read_regular
from schemas.catalog_fields import SETTABLE_HEADER
from schemas.params import value_problems

MOST_STEPS = (
    8  # from a method to its fallback, to that one's, and so on: each may take its whole deadline
)
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def flat(messages: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    if isinstance(messages, dict):
        for key, each in messages.items():
            yield from flat(
                each, path if key == "_schema" else (*path, "in" if key == "in_" else key)
            )
    else:
        for each in messages if isinstance(messages, list) else [messages]:
            yield path, str(each)


def check_params(
    document: Document,
    path: Path_,
    template: str,
    params: tuple[Param, ...],
    raw: Mapping[str, Any],
) -> None:
    """Path, params and mask name each other, and every default fits its own declaration."""
    names = {param.name for param in params}
    in_path = {param.name for param in params if param.place == "path"}
    holes = _PLACEHOLDER.findall(template)
    for hole in sorted(set(holes) - names):
        document.complain(
            (*path, "http"), f"the path has {{{hole}}} but params declare no {hole!r}"
        )
    for name in sorted(in_path - set(holes)):
        document.complain(
            (*path, "params", name, "in"), f"in: path, but the path has no {{{name}}}"
        )
    for name in sorted(set(raw.get("mask", ())) - names):
        document.complain((*path, "mask"), f"{name!r} is not one of the method's params")
    for param in params:
        if param.place == "header" and not re.fullmatch(SETTABLE_HEADER, param.name):
            document.complain(
                (*path, "params", param.name), "not a header's name that a parameter may have"
            )
        _check_default(document, (*path, "params", param.name), param)


def _check_default(document: Document, path: Path_, param: Param) -> None:
    if "default" not in param.keywords:
        return
    keywords = {
        key: value for key, value in param.keywords.items() if key not in ("default", "required")
    }
    for _, say in flat(value_problems(keywords, param.keywords["default"])):
        document.complain((*path, "default"), f"does not fit its own declaration: {say}")


def check_body(
    document: Document, path: Path_, params: tuple[Param, ...], raw: Mapping[str, Any]
) -> None:
    """The parameters are ones that the body's format can hold."""
    kind = kind_of(raw.get("body", "json"))
    inside = [param.name for param in params if param.place == "body"]
    if kind == "raw" and len(inside) > 1:
        document.complain(
            (*path, "body"), f"raw is one param and nothing else, but here are {', '.join(inside)}"
        )
    for name in inside:
        if kind == "xml" and name != "#text" and not re.fullmatch(XML_MEMBER, name):
            document.complain(
                (*path, "params", name), "not an XML name; body: xml makes an element of each param"
            )


def check_cache(document: Document, path: Path_, verb: str, raw: Mapping[str, Any]) -> None:
    """Only what may as well not be sent is answered from a cache."""
    if "cache" in raw and verb not in ("GET", "HEAD") and not raw.get("idempotent"):
        say = f"a call that is answered from the cache is not sent; for {verb} that needs idempotent: true beside it"
        document.complain((*path, "cache"), say)
    if "cache" in raw and raw.get("stream"):
        document.complain((*path, "cache"), "what is streamed cannot be kept; drop cache or stream")


def check_signed(document: Document, name: str, raw: Mapping[str, Any]) -> None:
    """A caller's own request has no parameters to sign; an answer that is verified whole cannot pass as it comes."""
    kind = raw.get("auth", {}).get("type", "none")
    signer = SIGNERS[kind]
    if proxy_paths(raw) and (signer.verifies_answers or signer.signs_params):
        say = f"requests with auth: {kind} cannot be proxied: it signs a method's parameters, or verifies the answer"
        document.complain(("services", name, "proxy"), say)
    for method, settings in raw.get("methods", {}).items():
        body_too = kind_of(settings.get("body", "json")) in STREAMED_BODIES
        if settings.get("stream") and (
            signer.verifies_answers or (signer.signs_params and body_too)
        ):
            say = f"auth: {kind} needs the whole of it; drop stream"
            document.complain(("services", name, "methods", method, "stream"), say)


def proxy_paths(raw: Mapping[str, Any]) -> tuple[str, ...]:
    """The patterns of what a service lets be proxied."""
    proxy = raw.get("proxy", False)
    if isinstance(proxy, Mapping):
        proxy = proxy.get("paths", True)
    if isinstance(proxy, list):
        return tuple(proxy)
    return ("/*",) if proxy else ()


def unread(params: tuple[Param, ...], raw: Mapping[str, Any]) -> tuple[Param, ...]:
    """Those that stand in a body which goes on as it comes: nobody reads them here."""
    streamed = raw.get("stream") and kind_of(raw.get("body", "json")) in STREAMED_BODIES
    return tuple(param for param in params if streamed and param.place == "body")


def check_fallbacks(document: Document, services: Mapping[str, Any]) -> None:
    """A fallback names a method that exists and never leads back to itself."""
    known = {
        f"{service}.{method}"
        for service in services
        for method in services[service].get("methods", {})
    }
    leads: dict[str, str] = {}
    for service, raw in services.items():
        for method, settings in raw.get("methods", {}).items():
            target = settings.get("fallback", {}).get("call")
            if target:
                leads[f"{service}.{method}"] = target
                if target not in known:
                    where: Path_ = ("services", service, "methods", method, "fallback", "call")
                    document.complain(
                        where,
                        f"there is no method {target!r}; write service.method of this catalog",
                    )
    for start in leads:
        seen = [start]
        service, method = start.split(".", 1)
        where = ("services", service, "methods", method, "fallback")
        while (
            (following := leads.get(seen[-1])) and following not in seen and len(seen) <= MOST_STEPS
        ):
            seen.append(following)
        if following and following not in seen:
            document.complain(where, f"leads on through more than {MOST_STEPS} methods")
        elif following == start:
            document.complain(where, f"goes in a circle: {' -> '.join([*seen, start])}")


def check_stand_ins(document: Document, services: Mapping[str, Service]) -> None:
    """A fallback needs no parameter that the method in whose place it answers does not take."""
    methods = {
        each.full_name: each for service in services.values() for each in service.methods.values()
    }
    for method in methods.values():
        target = methods.get(method.fallback.call or "") if method.fallback else None
        if target:
            if target.stream and not method.stream:
                here = ("services", method.service.name, "methods", method.name, "fallback", "call")
                document.complain(here, f"{target.full_name} streams, and this method does not")
            needed = {param.name for param in target.params if param.keywords["required"] is True}
            for lacking in sorted(needed - {param.name for param in method.params}):
                where: Path_ = (
                    "services",
                    method.service.name,
                    "methods",
                    method.name,
                    "fallback",
                    "call",
                )
                say = f"{target.full_name} needs {lacking!r}, which is not one of this method's params"
                document.complain(where, say)


def aggregates_of(
    document: Document, loaded: Mapping[str, Any]
) -> tuple[dict[str, Aggregate], list[str]]:
    """Every aggregate, whose parts name methods, their params and earlier parts; and what is missing but optional."""
    missing: list[str] = []
    made = {}
    for name, raw in loaded.get("aggregates", {}).items():
        parts: list[AggregatePart] = []
        for each, settings in raw.items():
            where: Path_ = ("aggregates", name, each)
            if each in REQUEST:
                document.complain(
                    where, f"{each!r} stands for the request; name the part otherwise"
                )
            part = _aggregate_part(document, where, settings)
            if part is None:
                continue
            _check_part(document, where, part, {earlier.name for earlier in parts})
            declared = loaded["services"].get(part.service, {}).get("methods", {}).get(part.method)
            if declared is not None:
                for param in sorted(part.params.keys() - declared.get("params", {}).keys()):
                    document.complain(
                        (*where, "params", param), f"{settings['call']} has no param {param!r}"
                    )
            elif part.optional:
                missing.append(
                    f"{'.'.join(map(str, where))}.call: there is no method {settings['call']!r}"
                )
            else:
                say = (
                    f"there is no method {settings['call']!r}; write service.method of this catalog"
                )
                document.complain((*where, "call"), say)
            parts.append(part)
        made[name] = Aggregate(name, tuple(parts))
    return made, missing


def _aggregate_part(
    document: Document, where: Path_, settings: Mapping[str, Any]
) -> AggregatePart | None:
    service, _, method = settings["call"].partition(".")
    try:
        params = read_references(settings.get("params", {}))
    except ValueError as error:
        document.complain((*where, "params"), str(error))
        return None
    return AggregatePart(str(where[-1]), service, method, params, settings.get("optional", False))


def _check_part(document: Document, where: Path_, part: AggregatePart, earlier: set[str]) -> None:
    known = ", ".join(f"${each}" for each in (*REQUEST, *sorted(earlier)))
    for need in sorted(part.needs - earlier):
        document.complain((*where, "params"), f"${need} is not known here; known are {known}")


def check_public(name: str, service: Service) -> Iterator[str]:
    """A note for each URL that is written as an address in a private network, which the service may not have."""
    hosts = dict.fromkeys(urlsplit(url).hostname or "" for url in service.urls)
    for host in hosts:
        if not service.allow_private and inside_literally(host):
            say = "is no public address, so every call is refused; write allow_private: true if it is meant"
            yield f"services.{name}: {host} {say}"


def tls_files(
    document: Document, where: Path_, raw: Mapping[str, str], defaults: Mapping[str, str]
) -> Tls:
    """The service's PEM files, tried out; those of ``defaults`` are, already."""
    tls = Tls(**{**defaults, **raw})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if "ca" in raw:
            read_regular(Path(raw["ca"]), MAX_SECRET_BYTES)  # OpenSSL would wait for a FIFO
            context.load_verify_locations(raw["ca"])
    except (OSError, ValueError):  # ssl.SSLError is one; a NUL in a name is the other
        document.complain((*where, "ca"), "must name a PEM file of certificates that can be read")
    if tls.key and not tls.cert:
        document.complain((*where, "key"), "needs cert, too")
    try:
        if tls.cert:
            for file in filter(None, (tls.cert, tls.key)):
                read_regular(Path(file), MAX_SECRET_BYTES)
            context.load_cert_chain(tls.cert, tls.key, password="")  # or it would ask the terminal
    except (OSError, ValueError):
        say = (
            "must name a PEM file of a certificate and, here or as key, its unencrypted private key"
        )
        document.complain((*where, "cert"), say)
    return tls
