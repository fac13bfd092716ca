"""A vendor's API description -> a service of a catalog, as YAML.

OpenAPI 3.0 and 3.1 (spec.openapis.org/oas), Swagger 2.0. What a catalog cannot say stands in comments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from marshmallow import ValidationError

from cli.openapi.auth import auth_of
from cli.openapi.naming import snake
from cli.openapi.operations import Operations
from cli.openapi.source import Spec, SpecError, read_spec
from cli.openapi.written import Noted, comment, lines
from schemas.shapes import usable_url

VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")


def imported(text: str, tags: Collection[str] = (), name: str | None = None, base_url: str | None = None) -> str:
    """A whole catalog with this one service.

    :param tags: only operations with one of these; all unless given.
    :param name: of the service; made from the title unless given.
    :param base_url: where it is; the file's first server unless given.
    :raises SpecError: nothing can be imported; says why.
    """
    spec = read_spec(text)
    info = spec.at("info")
    name = name or snake(str(info.get("title", ""))) or "service"
    url = _usable(base_url or _base_url(spec))
    auth = auth_of(spec, name, url)
    implied = frozenset({auth["name"].lower()}) if auth and "name" in auth else frozenset()
    operations = Operations(spec, tags, implied)
    methods = operations.methods()
    if not methods:
        known = ", ".join(sorted(operations.known_tags)) or "none"
        raise SpecError(f"no operation to import; its tags are: {known}" if tags else "no operation to import")
    private = {"allow_private": True} if _is_private(url) else {}
    service: dict[str, Any] = {"base_url": url, **private, **({"auth": auth} if auth else {}), "methods": methods}
    head = _head(info, tags, operations, auth, len(methods))
    return "\n".join([*map(comment, head), *lines({"version": 1, "services": {name: service}}), ""])


def _head(
    info: Mapping[str, Any], tags: Collection[str], operations: Operations, auth: Noted | None, count: int
) -> Iterator[str]:
    title, version = info.get("title", "an API without a title"), info.get("version", "?")
    only = f", of those tagged {', '.join(tags)}" if tags else ""
    yield f"{title}, version {version}: {count} methods{only}."
    if names := sorted(set(VARIABLE.findall(str(dict(auth or {}))))):
        yield f"Set in the environment or in .env: {', '.join(names)}"
    if operations.lost:
        counts = ", ".join(f"{key} ({number})" for key, number in sorted(operations.lost.items()))
        yield f"Not carried over, and so not checked: {counts}"
    for each in operations.skipped:
        yield f"Left out: {each}"


def _is_private(url: str) -> bool:
    """Whether the address itself says that it is in the team's own network, which whoever imports it can see."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_private and not address.is_link_local and not address.is_unspecified


def _base_url(spec: Spec) -> str:
    if spec.swagger:
        schemes = spec.root.get("schemes")
        schemes = schemes if isinstance(schemes, list) and schemes else ["https"]
        scheme = "https" if "https" in schemes else schemes[0]
        host = spec.root.get("host")
        return f"{scheme}://{host}{spec.root.get('basePath') or ''}" if host else ""
    servers = spec.root.get("servers")
    server = servers[0] if isinstance(servers, list) and servers else None
    if not isinstance(server, dict):
        return ""
    variables = server.get("variables")
    url = str(server.get("url", ""))
    for key, each in (variables if isinstance(variables, dict) else {}).items():
        if isinstance(each, dict):
            url = url.replace(f"{{{key}}}", str(each.get("default", "")))
    return url


def _usable(url: str) -> str:
    try:
        if "${" in url:
            raise ValidationError("asks for a variable")
        usable_url(url)
    except ValidationError as error:
        wrong = f"its server, {url!r}, is no http(s) URL that can be called" if url else "it names no server"
        raise SpecError(f"{wrong}; give --base-url") from error
    return url.rstrip("/")
