"""A vendor's API description -> a service of a catalog, as YAML.

>>> print(import_spec(Path("api.json").read_text(), tags=["issues"]))
# GitHub, version 1.1: 12 methods, 3 of them with notes; 900 operations left out.
version: 1
...

OpenAPI 3.0 and 3.1 (spec.openapis.org/oas), Swagger 2.0. What a catalog cannot say stands in
comments.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.openapi.auth import credential_names, read_credentials
from cli.openapi.naming import snake
from cli.openapi.operations import Operations
from cli.openapi.servers import Servers
from cli.openapi.source import Spec, SpecError, read_spec, without
from cli.openapi.yaml_writer import Commented, comment, has_notes_inside, lines, one_line
from cli.output import count

VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
MAX_REASONS = 5  # for nothing being imported
MAX_TITLE_CHARACTERS = 100


def import_spec(
    text: str,
    tags: Collection[str] = (),
    name: str | None = None,
    base_url: str | None = None,
    path: Path | None = None,
) -> str:
    """Return a whole catalog with this one service.

    :param tags: only operations with one of these; all unless given.
    :param name: of the service; made from the title unless given.
    :param base_url: where it is; the file's first server unless given.
    :param path: of the file; others that it refers to are read from its folder.
    :raises SpecError: nothing can be imported; says why.
    """
    spec = read_spec(text, path)
    name = name or snake(str(spec.at("info").get("title", ""))) or "service"
    operations = Operations(spec, tags)
    service = _read_service(spec, operations, name, base_url)
    if not service["methods"]:
        raise SpecError(_why_nothing(tags, operations))
    head = [_summary(operations, tags, service["methods"]), *_advice(service), *_losses(operations)]
    catalog = lines({"version": 1, "services": {name: service}})
    return "\n".join([*map(comment, head), *catalog, ""])


def _read_service(
    spec: Spec, operations: Operations, name: str, base_url: str | None
) -> dict[str, Any]:
    selected = [(operation.item, operation.values) for operation in operations.selected]
    servers = Servers(spec, selected, base_url)
    values = [values for _, values in selected]
    credentials = read_credentials(spec, values, name, servers.base_url)
    host_params = servers.params()
    service: dict[str, Any] = {"base_url": servers.base_url}
    if host_params:
        service["params"] = host_params
    if _is_private(servers.base_url):
        service["allow_private"] = True
    service.update(credentials)
    implied = credential_names(credentials) | host_params.keys()
    service["methods"] = operations.methods(servers, implied)
    return service


def summarize(catalog: str) -> str:
    """Return what ``import_spec`` says first: how much was imported, how much left out."""
    return catalog.partition("\n")[0].removeprefix("# ")


def _why_nothing(tags: Collection[str], operations: Operations) -> str:
    if tags and not operations.selected:
        all_tags = ", ".join(sorted(operations.all_tags)) or "none"
        return f"no operation to import; its tags are: {all_tags}"
    reasons = list(_omissions(operations))
    message = ["no operation to import", *reasons[:MAX_REASONS]]
    if len(reasons) > MAX_REASONS:
        message.append(f"and {len(reasons) - MAX_REASONS} more")
    return "\n".join(message)


def _omissions(operations: Operations) -> Iterator[str]:
    for server, number in operations.at_other_servers.items():
        yield f"Left out: {count(number, 'operation')} at {server}"
    for reason in operations.skipped:
        yield f"Left out: {reason}"


def _summary(
    operations: Operations, tags: Collection[str], methods: Mapping[str, Commented]
) -> str:
    info = operations.spec.at("info")
    title = info.get("title", "an API without a title")
    title = one_line(f"{title}, version {info.get('version', '?')}", MAX_TITLE_CHARACTERS)
    with_notes = sum(bool(method.notes) or has_notes_inside(method) for method in methods.values())
    omitted = len(operations.skipped) + operations.at_other_servers.total()
    selection = f"; only those tagged {', '.join(tags)}" if tags else ""
    return (
        f"{title}: {count(len(methods), 'method')}, {with_notes} of them with notes; "
        f"{count(omitted, 'operation')} left out{selection}."
    )


def _advice(service: Mapping[str, Any]) -> Iterator[str]:
    if names := sorted(set(VARIABLE.findall(str(without(service, ("methods",)))))):
        yield f"Set in the environment or in .env: {', '.join(names)}"
    if any(method["http"].endswith("/completions") for method in service["methods"].values()):
        yield (
            "A model takes its time: say timeout: {read: 120} and deadline: 130 (seconds); "
            "unset they are 5 and 10."
        )


def _losses(operations: Operations) -> Iterator[str]:
    if operations.dropped:
        counts = [f"{key} ({number})" for key, number in sorted(operations.dropped.items())]
        yield f"Not carried over, and so not checked: {', '.join(counts)}"
    yield from _omissions(operations)


def _is_private(url: str) -> bool:
    """Tell whether the address itself says that it is in the team's own network."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_private and not address.is_link_local and not address.is_unspecified
