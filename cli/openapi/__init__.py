"""A vendor's API description -> a service of a catalog, as YAML.

OpenAPI 3.0 and 3.1 (spec.openapis.org/oas), Swagger 2.0. What a catalog cannot say stands in comments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.openapi.auth import credentials_of
from cli.openapi.naming import snake
from cli.openapi.operations import Operations
from cli.openapi.servers import Servers
from cli.openapi.source import SpecError, read_spec
from cli.openapi.yaml_writer import Commented, comment, lines, notes_inside, one_line

VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
REASONS = 5  # that are told of why nothing could be imported


def import_spec(
    text: str,
    tags: Collection[str] = (),
    name: str | None = None,
    base_url: str | None = None,
    path: Path | None = None,
) -> str:
    """A whole catalog with this one service.

    :param tags: only operations with one of these; all unless given.
    :param name: of the service; made from the title unless given.
    :param base_url: where it is; the file's first server unless given.
    :param path: of the file that the text is from; other files that it refers to are read from there.
    :raises SpecError: nothing can be imported; says why.
    """
    spec = read_spec(text, path)
    info = spec.at("info")
    name = name or snake(str(info.get("title", ""))) or "service"
    operations = Operations(spec, tags)
    servers = Servers(spec, ((each.item, each.values) for each in operations.all), base_url)
    credentials = credentials_of(
        spec, [each.values for each in operations.all], name, servers.base_url
    )
    methods = operations.methods(servers, credentials.names)
    if not methods:
        raise SpecError(_nothing(tags, operations))
    private = {"allow_private": True} if _is_private(servers.base_url) else {}
    service = {"base_url": servers.base_url, **private, **credentials.settings, "methods": methods}
    head = _head(info, tags, operations, credentials.settings, methods)
    return "\n".join([*map(comment, head), *lines({"version": 1, "services": {name: service}}), ""])


def summarize(catalog: str) -> str:
    """What ``import_spec`` says first: how much was imported, how much left out."""
    return catalog.partition("\n")[0].removeprefix("# ")


def _nothing(tags: Collection[str], operations: Operations) -> str:
    """Why there is no method."""
    if tags and not operations.all:
        return f"no operation to import; its tags are: {', '.join(sorted(operations.known_tags)) or 'none'}"
    reasons = list(_left_out(operations))
    more = f"\nand {len(reasons) - REASONS} more" if len(reasons) > REASONS else ""
    return "\n".join(["no operation to import", *reasons[:REASONS]]) + more


def _left_out(operations: Operations) -> Iterator[str]:
    for server, count in operations.elsewhere.items():
        yield f"Left out: {count} operations at {server}"
    for reason in operations.skipped:
        yield f"Left out: {reason}"


def _head(
    info: Mapping[str, Any],
    tags: Collection[str],
    operations: Operations,
    settings: Mapping[str, Any],
    methods: Mapping[str, Commented],
) -> Iterator[str]:
    title, version = info.get("title", "an API without a title"), info.get("version", "?")
    only = f"; only those tagged {', '.join(tags)}" if tags else ""
    noted = sum(bool(method.notes) or notes_inside(method) for method in methods.values())
    left_out = len(operations.skipped) + operations.elsewhere.total()
    title = one_line(f"{title}, version {version}", 100)
    yield f"{title}: {len(methods)} methods, {noted} of them with notes; {left_out} operations left out{only}."
    if names := sorted(set(VARIABLE.findall(str(settings)))):
        yield f"Set in the environment or in .env: {', '.join(names)}"
    if any(str(method["http"]).endswith("/completions") for method in methods.values()):
        yield "A model takes its time: say timeout: {read: 120} and deadline: 130 (seconds); unset they are 5 and 10."
    if operations.lost:
        counts = ", ".join(f"{key} ({number})" for key, number in sorted(operations.lost.items()))
        yield f"Not carried over, and so not checked: {counts}"
    yield from _left_out(operations)


def _is_private(url: str) -> bool:
    """Whether the address itself says that it is in the team's own network, which whoever imports it can see."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_private and not address.is_link_local and not address.is_unspecified
