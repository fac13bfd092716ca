"""What changes between two catalogs: services, methods and aggregates, key by key.

>>> list(diff_lines(old, new, masker.mask_secrets))
["~ method shop.find", "    params.q.maxLength: 20 -> 40", "+ service news"]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gateway.masking import STARS
from gateway.signers import is_secret

MAX_VALUE_CHARACTERS = 60
ABSENT = object()

Values = Mapping[str, Any]
Mask = Callable[[str], str]


def diff_lines(old: Values, new: Values, mask: Mask) -> Iterator[str]:
    """Yield a line for each entry added (+), removed (-) or changed (~), then one for each key.

    :param old: a checked catalog as ``gateway.catalog.yaml.parser`` reads it; ``new`` likewise.
    :param mask: takes secrets out of what is printed.
    """
    before = dict(_entries(old))
    after = dict(_entries(new))
    for name in {**before, **after}:
        if name not in after:
            yield f"- {name}"
        elif name not in before:
            yield f"+ {name}"
        elif changes := list(_changes(before[name], after[name], mask, ())):
            yield f"~ {name}"
            yield from changes


def _entries(catalog: Values) -> Iterator[tuple[str, Values]]:
    yield "defaults", catalog.get("defaults") or {}
    for name, service in catalog["services"].items():
        yield f"service {name}", {key: value for key, value in service.items() if key != "methods"}
        for method, settings in service.get("methods", {}).items():
            yield f"method {name}.{method}", settings
    for name, aggregate in (catalog.get("aggregates") or {}).items():
        yield f"aggregate {name}", aggregate


def _changes(old: Any, new: Any, mask: Mask, path: tuple[str, ...]) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from _changes(old.get(key, ABSENT), new.get(key, ABSENT), mask, (*path, key))
    elif old != new or type(old) is not type(new):
        yield f"    {'.'.join(path)}: {_render(old, mask, path)} -> {_render(new, mask, path)}"


def _render(value: Any, mask: Mask, path: tuple[str, ...]) -> str:
    if value is ABSENT:
        return "(none)"
    if _may_be_secret(path):
        return STARS
    text = mask(json.dumps(value, ensure_ascii=False))  # before it is cut
    if len(text) > MAX_VALUE_CHARACTERS:
        return text[:MAX_VALUE_CHARACTERS] + "…"
    return text


def _may_be_secret(path: tuple[str, ...]) -> bool:
    """Tell whether a value is masked: any header or query, and what of ``auth`` is not public."""
    if path[0] in ("headers", "query"):
        return True
    return path[0] == "auth" and (len(path) != 2 or is_secret(path[1]))
