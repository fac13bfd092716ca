"""What <TAB> offers of the catalog; without the application, which takes a second to load."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import click
import dotenv
import yaml
from click.shell_completion import CompletionItem

ROOT = Path(__file__).parents[1]
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class MethodNames(NamedTuple):
    """:param params: the keywords of each parameter, by its name."""

    summary: str
    params: Mapping[str, Mapping[str, Any]]


Services = Mapping[str, Mapping[str, MethodNames]]


def complete_service(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    return offer(_services(_read_files()), incomplete)


def complete_method(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the methods of the service before it."""
    methods = _read_files().get(context.params.get("service") or "", {})
    return offer(((name, method.summary) for name, method in methods.items()), incomplete)


def complete_name(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer SERVICE and SERVICE.METHOD."""
    services = _read_files()
    methods = (
        (f"{service}.{name}", method.summary)
        for service, methods in services.items()
        for name, method in methods.items()
    )
    return offer([*_services(services), *methods], incomplete)


def complete_param(
    context: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer ``name=`` of each parameter that is not there yet, then the values that it may have."""
    arguments = context.params
    methods = _read_files().get(arguments.get("service") or "", {})
    method = methods.get(arguments.get("method") or "")
    if method is None:
        return []
    name, equals, _ = incomplete.partition("=")
    if equals:
        values = _values(method.params.get(name, {}))
        return offer(((f"{name}={value}", "") for value in values), incomplete)
    names_there = {word.partition("=")[0] for word in arguments.get("params") or ()}
    return offer(
        (
            (f"{name}=", _describe(keywords))
            for name, keywords in method.params.items()
            if name not in names_there or keywords.get("type") == "array"
        ),
        incomplete,
    )


def _services(services: Services) -> Iterator[tuple[str, str]]:
    return ((name, ", ".join(methods)) for name, methods in services.items())


def _describe(keywords: Mapping[str, Any]) -> str:
    words = [keywords.get("type"), keywords.get("description")]
    if keywords.get("required") is True:
        words.insert(1, "required")
    return ", ".join(str(word) for word in words if word)


def _values(keywords: Mapping[str, Any]) -> Iterable[str]:
    if keywords.get("type") == "array":
        keywords = keywords.get("items") or {}
    if keywords.get("type") == "boolean":
        return ("true", "false")
    return map(str, keywords.get("enum") or ())


def _read_files() -> Services:
    """Read CATALOG's file or folder; of Consul and Nacos the copy of what they had last."""
    settings = {**dotenv.dotenv_values(ROOT / ".env"), **os.environ}
    place = settings.get("CATALOG") or "services.yaml"
    if "://" in place:
        place = settings.get("CATALOG_COPY") or "instance/catalog.last.yaml"
    path = ROOT / place
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    services: dict[str, Mapping[str, MethodNames]] = {}
    for file in files:
        services.update(_read_file(file))
    return services


def _read_file(file: Path) -> Iterator[tuple[str, Mapping[str, MethodNames]]]:
    """Yield the services of one file; of one that cannot be read, none."""
    try:
        text = file.read_bytes()
        document = yaml.load(text, LOADER)  # noqa: S506  # a safe one, written in C
    except (OSError, yaml.YAMLError):
        return
    for name, service in _entries(_mapping(document).get("services")):
        methods = _entries(service.get("methods"))
        yield name, {method: _method(service, declared) for method, declared in methods}


def _method(service: Mapping[str, Any], declared: Mapping[str, Any]) -> MethodNames:
    params = dict(_entries(service.get("params"))) | dict(_entries(declared.get("params")))
    return MethodNames(str(declared.get("summary", "")), params)


def _entries(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    return ((str(name), _mapping(entry)) for name, entry in _mapping(value).items())


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def offer(choices: Iterable[tuple[str, str]], incomplete: str) -> list[CompletionItem]:
    """Return the choices, each a value and its help, that begin so."""
    return [
        CompletionItem(value, help=text.splitlines()[0] if text else None)
        for value, text in choices
        if value.startswith(incomplete)
    ]
