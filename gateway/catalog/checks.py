"""Checks that span several keys of a service or a method."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gateway.catalog.address_ranges import is_private_host
from gateway.catalog.model import Method, Service, Tls, kind_of
from gateway.catalog.yaml.document import Advice, Path_, YamlDocument
from gateway.signers import SIGNERS
from gateway.system import MAX_SECRET_BYTES, read_regular
from schemas.catalog.hints import did_you_mean

# From a method to its fallback, to that one's, and so on: each may take its whole deadline.
MAX_FALLBACK_STEPS = 8
MAX_LIKELY_RETRIES = 10


def is_soap(envelope: str | Mapping[str, Any]) -> bool:
    return (envelope if isinstance(envelope, str) else envelope.get("preset")) == "soap"


def check_envelope(method: Method) -> Iterator[Advice]:
    """Yield where SOAP is not read from XML."""
    if is_soap(method.envelope) and kind_of(method.response) == "json":
        yield ("response",), "envelope: soap is for XML, and json is read here; write xml"


def check_cache(method: Method, settings: Mapping[str, Any]) -> Iterator[Advice]:
    """Yield where a call that has to be sent would be answered from a cache."""
    if not method.cache:
        return
    if method.verb not in ("GET", "HEAD") and not settings.get("idempotent"):
        yield (
            ("cache",),
            "a call that is answered from the cache is not sent;"
            f" for {method.verb} that needs idempotent: true beside it",
        )
    if method.stream:
        yield ("cache",), "what is streamed cannot be kept; drop cache or stream"


def check_signed(service: Service, methods: Mapping[str, Method]) -> Iterator[Advice]:
    """Yield where ``auth`` needs what is not there: parameters, members, a whole body or answer."""
    kind = service.auth["type"]
    signer = SIGNERS[kind]
    place = service.auth.get("in", signer.default_place)
    # ``hmac`` adds its ``body`` to the members of the body, and ``digest`` its ``add``.
    adds_member = place == "body" or "body" in service.auth
    adds_member = adds_member or (place == "header" and "add" in service.auth)
    joins_params = signer.signs_params or adds_member
    if service.proxy and (signer.verifies_answers or joins_params):
        yield (
            ("proxy",),
            f"requests with auth: {kind} cannot be proxied:"
            " it signs a method's parameters or adds to them, or verifies the answer",
        )
    for method in methods.values():
        memberless = None
        if method.body_param and joins_params:
            memberless = "body_param"
        elif adds_member and kind_of(method.body) == "raw":
            memberless = "body"
        path = ("methods", method.name)
        if memberless:
            message = f"auth: {kind} adds to the body's members, and this body has none"
            yield (*path, memberless), message
        signs_body = joins_params and method.streams_body
        if method.stream and (signer.verifies_answers or signs_body):
            yield (*path, "stream"), f"auth: {kind} needs the whole of it; drop stream"


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


def check_fallbacks(services: Mapping[str, Service]) -> Iterator[Advice]:
    """Yield where a fallback is no method that can stand in, or leads back to itself."""
    methods = {
        method.full_name: method
        for service in services.values()
        for method in service.methods.values()
    }
    targets = {
        name: method.fallback.call
        for name, method in methods.items()
        if method.fallback and method.fallback.call
    }
    for name, target in targets.items():
        path = (*_method_path(methods[name]), "fallback")
        if target not in methods:
            yield (
                (*path, "call"),
                f"there is no method {target!r}; write service.method of this catalog"
                f"{did_you_mean(target, methods)}",
            )
        else:
            for message in _stand_in_problems(methods[name], methods[target]):
                yield (*path, "call"), message
        steps = [name]
        while len(steps) <= MAX_FALLBACK_STEPS and targets.get(steps[-1], name) not in steps:
            steps.append(targets[steps[-1]])
        end = targets.get(steps[-1])
        if end == name:
            yield path, f"goes in a circle: {' -> '.join([*steps, name])}"
        elif end and end not in steps:
            yield path, f"leads on through more than {MAX_FALLBACK_STEPS} methods"


def _stand_in_problems(method: Method, target: Method) -> Iterator[str]:
    if target.stream and not method.stream:
        yield f"{target.full_name} streams, and this method does not"
    required = {param.name for param in target.params if param.keywords["required"] is True}
    for name in sorted(required - {param.name for param in method.params}):
        yield f"{target.full_name} needs {name!r}, which is not one of this method's params"


def check_service(
    document: YamlDocument, service: Service, methods: Mapping[str, Method]
) -> Iterator[Advice]:
    """Yield notes of what a service can hardly mean."""
    if not methods and not service.proxy:
        yield (
            ("services", service.name),
            "has no methods, so nobody can call it; write methods: {NAME: {http: GET /PATH}}"
            " (or proxy: true)",
        )
    for method in methods.values():
        times = method.retry.times
        if times > MAX_LIKELY_RETRIES:
            yield (
                document.nearest_key(("retry", "times"), *_bases(method), ("defaults",)),
                f"{times} retries of one call, which ends after {method.deadline:g} seconds;"
                " few calls need more than 3",
            )
    yield from _check_proof_header(document, service, methods)


def _check_proof_header(
    document: YamlDocument, service: Service, methods: Mapping[str, Method]
) -> Iterator[Advice]:
    """Yield a note for each header that ``auth`` writes over."""
    auth = service.auth
    proof_header = SIGNERS[auth["type"]].proof_header
    if "in" in auth:
        proof_header = auth.get("name", proof_header) if auth["in"] == "header" else ""
    for method in methods.values():
        for name in method.headers:
            if name.lower() == proof_header.lower():
                yield (
                    document.nearest_key(("headers", name), *_bases(method)),
                    f"never sent, as auth: {auth['type']} writes this header; drop one of the two",
                )


def _bases(method: Method) -> tuple[Path_, Path_]:
    return _method_path(method), ("services", method.service.name)


def check_public(service: Service) -> Iterator[Advice]:
    """Yield a note for each host that is private as it is written, and not allowed."""
    hosts = dict.fromkeys(urlsplit(url).hostname or "" for url in service.urls)
    for host in hosts:
        if not service.allow_private and is_private_host(host):
            yield (
                ("services", service.name),
                f"{host} is no public address, so every call is refused;"
                " write allow_private: true if it is meant",
            )


def load_tls(
    document: YamlDocument, path: Path_, settings: Mapping[str, str], defaults: Mapping[str, str]
) -> Tls:
    """Return the service's PEM files, tried out; those of ``defaults`` were tried before."""
    tls = Tls(**{**defaults, **settings})
    if not settings:
        return tls
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
