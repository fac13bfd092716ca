"""What one catalog's text says otherwise than another's: services, methods and aggregates, key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.loader import PUBLIC_AUTH_KEYS
from gateway.masking import STARS

LONGEST = 60  # characters of a value
ABSENT = object()

Values = Mapping[str, Any]


def differences(old: Values, new: Values) -> Iterator[str]:
    """A line for each thing added (+), removed (-) or changed (~), the latter followed by a line for each key.

    :param old: a catalog as ``gateway.document`` reads it, checked; ``new`` likewise.
    """
    before, after = dict(_things(old)), dict(_things(new))
    for thing in {**before, **after}:
        if thing not in after:
            yield f"- {thing}"
        elif thing not in before:
            yield f"+ {thing}"
        elif changed := list(_changes(before[thing], after[thing], ())):
            yield f"~ {thing}"
            yield from changed


def _things(catalog: Values) -> Iterator[tuple[str, Values]]:
    yield "defaults", catalog.get("defaults") or {}
    for name, service in catalog["services"].items():
        yield f"service {name}", {key: value for key, value in service.items() if key != "methods"}
        for method, settings in service.get("methods", {}).items():
            yield f"method {name}.{method}", settings
    for name, aggregate in (catalog.get("aggregates") or {}).items():
        yield f"aggregate {name}", aggregate


def _changes(old: Any, new: Any, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _changes(old.get(key, ABSENT), new.get(key, ABSENT), (*path, key))
    elif old != new or type(old) is not type(new):
        yield f"    {'.'.join(path)}: {_shown(old, path)} -> {_shown(new, path)}"


def _shown(value: Any, path: tuple[str, ...]) -> str:
    if value is ABSENT:
        return "(none)"
    secret = path[0] in ("headers", "query") or (
        path[0] == "auth" and (len(path) > 2 or path[1] not in PUBLIC_AUTH_KEYS)
    )
    text = STARS if secret else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"
