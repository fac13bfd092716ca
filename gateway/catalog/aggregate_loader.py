"""``aggregates:`` of a catalog, each part checked against the methods and the parts before it.

aggregates, notes = build_aggregates(document, settings)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from gateway.bodies.json import leaves
from gateway.catalog.aggregates import REQUEST, Aggregate, AggregatePart, read_references
from gateway.catalog.yaml.document import Advice, Path_, YamlDocument
from schemas.catalog.hints import did_you_mean

_REFERENCE = re.compile(r"[\w-]+(\.[\w-]+)+")


def build_aggregates(
    document: YamlDocument, settings: Mapping[str, Any]
) -> tuple[dict[str, Aggregate], list[Advice]]:
    """Return every aggregate, and a note for whatever a part can hardly mean."""
    notes: list[Advice] = []
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
                earlier_names = {earlier.name for earlier in built}
                _check_references(document, path, part, earlier_names)
                notes.extend(_check_texts(path, part, {*REQUEST, *earlier_names}))
                notes.extend(_check_part_method(document, path, part, settings["services"]))
                built.append(part)
        aggregates[name] = Aggregate(name, tuple(built))
    return aggregates, notes


def _check_part_method(
    document: YamlDocument, path: Path_, part: AggregatePart, services: Mapping[str, Any]
) -> Iterator[Advice]:
    """Yield a note where an optional part's method, or a param that a method needs, is missing."""
    full_name = f"{part.service}.{part.method}"
    service = services.get(part.service, {})
    method = service.get("methods", {}).get(part.method)
    if method is not None:
        declared = {*method.get("params", {}), *service.get("params", {})}
        for param in sorted(part.params.keys() - declared):
            document.complain((*path, "params", param), f"{full_name} has no param {param!r}")
        for param, keywords in method.get("params", {}).items():
            if keywords.get("required") is True and param not in part.params:
                yield (*path, "params"), f"{full_name} needs {param!r}, so every call is refused"
    elif part.optional:
        yield (*path, "call"), f"there is no method {full_name!r}"
    else:
        names = [f"{name}.{key}" for name in services for key in services[name].get("methods", {})]
        document.complain(
            (*path, "call"),
            f"there is no method {full_name!r}; write service.method of this catalog"
            f"{did_you_mean(full_name, names)}",
        )


def _aggregate_part(
    document: YamlDocument, path: Path_, settings: Mapping[str, Any]
) -> AggregatePart | None:
    service, _, method = settings["call"].partition(".")
    try:
        params = read_references(settings.get("params", {}))
    except ValueError as error:
        document.complain((*path, "params"), str(error))
        return None
    return AggregatePart(str(path[-1]), service, method, params, settings.get("optional", False))


def _check_references(
    document: YamlDocument, path: Path_, part: AggregatePart, earlier: set[str]
) -> None:
    sources = ", ".join(f"${source}" for source in (*REQUEST, *sorted(earlier)))
    for source in sorted(part.needs - earlier):
        document.complain((*path, "params"), f"${source} is not known here; known are {sources}")


def _check_texts(path: Path_, part: AggregatePart, sources: Collection[str]) -> Iterator[Advice]:
    """Yield a note for each text that would refer to something with a ``$`` before it."""
    for place, text in leaves(part.params, (*path, "params")):
        bare = text.strip("{} ") if isinstance(text, str) else ""  # as other templates have it
        if _REFERENCE.fullmatch(bare) and bare.partition(".")[0] in sources:
            yield place, f"{text!r} is sent as it is written; write ${bare} if its value is meant"
