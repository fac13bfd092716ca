"""Checks that span several keys of a catalog: names that must meet, defaults that must fit, files
that must exist.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.bodies.xml import XML_MEMBER
from gateway.catalog.aggregates import REQUEST, Aggregate, AggregatePart, read_references
from gateway.catalog.model import Method, Param, Service, Tls, kind_of
from gateway.catalog.private_addresses import inside_literally
from gateway.catalog.yaml.document import Document, Path_
from gateway.signers import SIGNERS
from gateway.system import MAX_SECRET_BYTES, read_regular
from schemas.catalog.fields import SETTABLE_HEADER
from schemas.catalog.hints import did_you_mean
from schemas.catalog.params import value_problems

# From a method to its fallback, to that one's, and so on: each may take its whole deadline.
MAX_FALLBACK_STEPS = 8
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def flatten_messages(messages: Any, path: Path_ = ()) -> Iterator[tuple[Path_, str]]:
    """Yield each of marshmallow's messages with the path of the key that it is about."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            if key == "_schema":
                yield from flatten_messages(inner, path)
            elif key == "in_":
                yield from flatten_messages(inner, (*path, "in"))
            else:
                yield from flatten_messages(inner, (*path, key))
    elif isinstance(messages, list):
        for message in messages:
            yield path, str(message)
    else:
        yield path, str(messages)


def check_params(document: Document, path: Path_, method: Method) -> None:
    """Path, params and mask name each other, and every default fits its own declaration."""
    names = {param.name for param in method.params}
    path_names = {param.name for param in method.params if param.place == "path"}
    placeholders = set(_PLACEHOLDER.findall(method.path))
    for name in sorted(names):
        if f"/${name}" in method.path:
            document.complain((*path, "http"), f"${name} would be sent as it is; write {{{name}}}")
    for name in sorted(placeholders - names):
        document.complain(
            (*path, "http"),
            f"the path has {{{name}}} but params declare no {name!r}"
            f"{did_you_mean(name, names - placeholders)}",
        )
    for name in sorted(path_names - placeholders):
        document.complain(
            (*path, "params", name, "in"), f"in: path, but the path has no {{{name}}}"
        )
    for name in sorted(method.mask - names):
        document.complain(
            (*path, "mask"),
            f"{name!r} is not one of the method's params{did_you_mean(name, names)}",
        )
    for param in method.params:
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
    for _, message in flatten_messages(value_problems(keywords, param.keywords["default"])):
        document.complain((*path, "default"), f"does not fit its own declaration: {message}")


def check_body(document: Document, path: Path_, method: Method) -> None:
    """The parameters are ones that the body's format can hold."""
    kind = kind_of(method.body)
    names = [param.name for param in method.params if param.place == "body"]
    if kind == "raw" and len(names) > 1:
        document.complain(
            (*path, "body"), f"raw is one param and nothing else, but here are {', '.join(names)}"
        )
    for name in names:
        if kind == "xml" and name != "#text" and not re.fullmatch(XML_MEMBER, name):
            document.complain(
                (*path, "params", name), "not an XML name; body: xml makes an element of each param"
            )


def check_xml_prefixes(document: Document, path: Path_, method: Method) -> None:
    """Where the outer element's attributes are declared, they declare its path's prefixes, too."""
    body = {} if isinstance(method.body, str) else method.body
    if "attributes" not in body:
        return
    names = set(body["attributes"]) | {param.name.removeprefix("@") for param in method.params}
    for name in body.get("root", "xml").split("/"):
        prefix, colon, _ = name.partition(":")
        if colon and f"xmlns:{prefix}" not in names:
            document.complain(
                (*path, "body"), f"nothing declares the prefix of {name}; add xmlns:{prefix}"
            )


def is_soap(envelope: str | Mapping[str, Any]) -> bool:
    return (envelope if isinstance(envelope, str) else envelope.get("preset")) == "soap"


def check_envelope(document: Document, path: Path_, method: Method) -> None:
    """SOAP is read from XML."""
    if is_soap(method.envelope) and kind_of(method.response) == "json":
        document.complain(
            (*path, "response"), "envelope: soap is for XML, and json is read here; write xml"
        )


def check_cache(
    document: Document, path: Path_, method: Method, settings: Mapping[str, Any]
) -> None:
    """Only what may as well not be sent is answered from a cache."""
    if not method.cache:
        return
    if method.verb not in ("GET", "HEAD") and not settings.get("idempotent"):
        document.complain(
            (*path, "cache"),
            "a call that is answered from the cache is not sent;"
            f" for {method.verb} that needs idempotent: true beside it",
        )
    if method.stream:
        document.complain((*path, "cache"), "what is streamed cannot be kept; drop cache or stream")


def check_signed(document: Document, service: Service, methods: Mapping[str, Method]) -> None:
    """A caller's own request has no parameters to sign or to add to; an answer that is verified
    whole cannot pass as it comes.
    """
    kind = service.auth["type"]
    signer = SIGNERS[kind]
    # What ``hmac`` has as ``body`` it adds to the members of the body.
    adds_member = service.auth.get("in") == "body" or "body" in service.auth
    joins_params = signer.signs_params or adds_member
    if service.proxy and (signer.verifies_answers or joins_params):
        document.complain(
            ("services", service.name, "proxy"),
            f"requests with auth: {kind} cannot be proxied:"
            " it signs a method's parameters or adds to them, or verifies the answer",
        )
    for method in methods.values():
        memberless = None
        if method.body_param and joins_params:
            memberless = "body_param"
        elif adds_member and kind_of(method.body) == "raw":
            memberless = "body"
        if memberless:
            document.complain(
                (*_method_path(method), memberless),
                f"auth: {kind} adds to the body's members, and this body has none",
            )
        signs_body = joins_params and method.streams_body
        if method.stream and (signer.verifies_answers or signs_body):
            document.complain(
                (*_method_path(method), "stream"),
                f"auth: {kind} needs the whole of it; drop stream",
            )


def _method_path(method: Method) -> Path_:
    return ("services", method.service.name, "methods", method.name)


def proxy_paths(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the patterns of the paths that a service lets be proxied."""
    proxy = settings.get("proxy", False)
    if isinstance(proxy, Mapping):
        proxy = proxy.get("paths", True)
    if isinstance(proxy, list):
        return tuple(proxy)
    return ("/*",) if proxy else ()


def _by_full_name(services: Mapping[str, Service]) -> dict[str, Method]:
    return {
        method.full_name: method
        for service in services.values()
        for method in service.methods.values()
    }


def check_fallbacks(document: Document, services: Mapping[str, Service]) -> None:
    """A fallback names a method that exists and never leads back to itself."""
    methods = _by_full_name(services)
    targets = {
        name: method.fallback.call
        for name, method in methods.items()
        if method.fallback and method.fallback.call
    }
    for name, target in targets.items():
        path = (*_method_path(methods[name]), "fallback")
        if target not in methods:
            document.complain(
                (*path, "call"),
                f"there is no method {target!r}; write service.method of this catalog"
                f"{did_you_mean(target, methods)}",
            )
        steps = [name]
        while len(steps) <= MAX_FALLBACK_STEPS and targets.get(steps[-1], name) not in steps:
            steps.append(targets[steps[-1]])
        end = targets.get(steps[-1])
        if end == name:
            document.complain(path, f"goes in a circle: {' -> '.join([*steps, name])}")
        elif end and end not in steps:
            document.complain(path, f"leads on through more than {MAX_FALLBACK_STEPS} methods")


def check_stand_ins(document: Document, services: Mapping[str, Service]) -> None:
    """A fallback needs no parameter that the method in whose place it answers does not take."""
    methods = _by_full_name(services)
    for method in methods.values():
        target = methods.get(method.fallback.call or "") if method.fallback else None
        if target:
            _check_stand_in(document, (*_method_path(method), "fallback", "call"), method, target)


def _check_stand_in(document: Document, path: Path_, method: Method, target: Method) -> None:
    if target.stream and not method.stream:
        document.complain(path, f"{target.full_name} streams, and this method does not")
    required = {param.name for param in target.params if param.keywords["required"] is True}
    for name in sorted(required - {param.name for param in method.params}):
        document.complain(
            path,
            f"{target.full_name} needs {name!r}, which is not one of this method's params",
        )


def build_aggregates(
    document: Document, settings: Mapping[str, Any]
) -> tuple[dict[str, Aggregate], list[str]]:
    """Return every aggregate, and a note for each optional part whose method does not exist.

    The parts name methods, their params and earlier parts.
    """
    notes: list[str] = []
    aggregates = {}
    for name, parts in settings.get("aggregates", {}).items():
        built: list[AggregatePart] = []
        for part_name, part_settings in parts.items():
            path: Path_ = ("aggregates", name, part_name)
            if part_name in REQUEST:
                document.complain(
                    path, f"{part_name!r} stands for the request; name the part otherwise"
                )
            part = _aggregate_part(document, path, part_settings)
            if part is not None:
                _check_references(document, path, part, {earlier.name for earlier in built})
                notes.extend(_check_part_method(document, path, part, settings["services"]))
                built.append(part)
        aggregates[name] = Aggregate(name, tuple(built))
    return aggregates, notes


def _check_part_method(
    document: Document, path: Path_, part: AggregatePart, services: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a note where the method does not exist but the part is optional."""
    full_name = f"{part.service}.{part.method}"
    service = services.get(part.service, {})
    method = service.get("methods", {}).get(part.method)
    if method is not None:
        declared = {*method.get("params", {}), *service.get("params", {})}
        for param in sorted(part.params.keys() - declared):
            document.complain((*path, "params", param), f"{full_name} has no param {param!r}")
    elif part.optional:
        yield f"{'.'.join(map(str, path))}.call: there is no method {full_name!r}"
    else:
        document.complain(
            (*path, "call"),
            f"there is no method {full_name!r}; write service.method of this catalog"
            f"{did_you_mean(full_name, _method_names(services))}",
        )


def _method_names(services: Mapping[str, Any]) -> Iterator[str]:
    for name, service in services.items():
        yield from (f"{name}.{method}" for method in service.get("methods", {}))


def _aggregate_part(
    document: Document, path: Path_, settings: Mapping[str, Any]
) -> AggregatePart | None:
    service, _, method = settings["call"].partition(".")
    try:
        params = read_references(settings.get("params", {}))
    except ValueError as error:
        document.complain((*path, "params"), str(error))
        return None
    return AggregatePart(str(path[-1]), service, method, params, settings.get("optional", False))


def _check_references(
    document: Document, path: Path_, part: AggregatePart, earlier: set[str]
) -> None:
    sources = ", ".join(f"${source}" for source in (*REQUEST, *sorted(earlier)))
    for source in sorted(part.needs - earlier):
        document.complain((*path, "params"), f"${source} is not known here; known are {sources}")


def check_public(service: Service) -> Iterator[str]:
    """Yield a note for each URL that is written as an address in a private network, which the
    service may not have.
    """
    hosts = dict.fromkeys(urlsplit(url).hostname or "" for url in service.urls)
    for host in hosts:
        if not service.allow_private and inside_literally(host):
            yield (
                f"services.{service.name}: {host} is no public address, so every call is refused;"
                " write allow_private: true if it is meant"
            )


def load_tls(
    document: Document, path: Path_, settings: Mapping[str, str], defaults: Mapping[str, str]
) -> Tls:
    """Return the service's PEM files, tried out; those of ``defaults`` were tried before."""
    tls = Tls(**{**defaults, **settings})
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if "ca" in settings:
            read_regular(Path(settings["ca"]), MAX_SECRET_BYTES)  # OpenSSL would wait for a FIFO
            context.load_verify_locations(settings["ca"])
    except (OSError, ValueError):  # ssl.SSLError is one; a NUL in a name is the other
        document.complain((*path, "ca"), "must name a PEM file of certificates that can be read")
    if tls.key and not tls.cert:
        document.complain((*path, "key"), "needs cert, too")
    try:
        if tls.cert:
            for file in filter(None, (tls.cert, tls.key)):
                read_regular(Path(file), MAX_SECRET_BYTES)
            context.load_cert_chain(tls.cert, tls.key, password="")  # or it would ask the terminal
    except (OSError, ValueError):
        document.complain(
            (*path, "cert"),
            "must name a PEM file of a certificate and, here or as key,"
            " its unencrypted private key",
        )
    return tls
