"""Providers as services of a catalog, and what the checker says of them.

outcome = judge("acme", {"auth_mode": "BASIC", "proxy": {"base_url": "https://api.acme.example"}})
outcome.reason  # "", as it is a service
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import yaml

from bench.reach.modes import MODES, UNKNOWN_MODES
from bench.reach.unsayable import Unsayable
from bench.reach.writer import Provider, Writer
from gateway.catalog.loader import CatalogError, load_catalog


class ProvidersError(Exception):
    """The file is no catalogue of providers."""


@dataclass(frozen=True)
class Outcome:
    """What became of a provider.

    :param reason: why it is no service; nothing where it is one.
    :param text: the catalog that was checked.
    """

    name: str
    mode: str
    reason: str
    text: str = ""


def read_providers(text: str) -> dict[str, Provider]:
    """Return the providers by name, aliases filled in.

    :raises ProvidersError: the text is something else.
    """
    try:
        value = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe ones
    except yaml.YAMLError as error:
        raise ProvidersError(f"not YAML: {str(error).splitlines()[0]}") from error
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in value.values()):
        raise ProvidersError("must be a mapping of names to providers")
    return {name: _with_alias(value, provider) for name, provider in value.items()}


def _with_alias(providers: Mapping[str, Provider], provider: Provider) -> Provider:
    base = providers.get(provider.get("alias", ""), {})
    return deepcopy({**base, **provider})


def judge(name: str, provider: Provider) -> Outcome:
    """Write a provider as a service, and let the checker judge it."""
    provider = deepcopy(provider)
    mode = str(provider.get("auth_mode"))
    writer = Writer()
    try:
        catalog = {"version": 1, "services": {name: _service(mode, provider, writer)}}
    except Unsayable as error:
        return Outcome(name, mode, str(error))
    except KeyError as error:
        return Outcome(name, mode, f"no {error.args[0]}")
    except (AttributeError, TypeError):
        return Outcome(name, mode, "a key that has not its usual shape")
    text = json.dumps(catalog, ensure_ascii=False, indent=2)
    try:
        load_catalog(text, name, writer.env)
    except CatalogError as error:
        _, _, key, problem = error.problems[0]
        place = re.sub(r"services\.[^.]+\.", "", key)
        return Outcome(name, mode, f"{place}: {problem}", text)
    return Outcome(name, mode, "", text)


def _service(mode: str, provider: Provider, writer: Writer) -> dict[str, Any]:
    """:raises Unsayable: a catalog has no words for it."""
    if mode not in MODES:
        raise Unsayable(UNKNOWN_MODES.get(mode, "an auth_mode that is not known"))
    provider["proxy"] = provider.get("proxy") or {}
    if not isinstance(provider["proxy"].get("base_url"), str):
        raise Unsayable("no base_url")
    auth = MODES[mode](provider, writer)
    proxy = provider["proxy"]
    service = {"base_url": writer.url(proxy["base_url"]), "auth": auth}
    for key in ("headers", "query"):
        entries = {
            name: writer.text(str(value))
            for name, value in (proxy.get(key) or {}).items()
            if value != "Bearer ${accessToken}"
        }
        if entries:
            service[key] = entries
    if proxy.get("body"):
        raise Unsayable("something in every body")
    return {**service, "methods": {"root": {"http": "GET /"}}}
