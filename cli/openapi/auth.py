"""The file's security schemes as a service's settings, with ``${NAME}`` for secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

from cli.openapi.source import Spec, UnsayableError, list_in, mapping_in
from cli.openapi.yaml_writer import Commented
from schemas.catalog.fields import SETTABLE_HEADER

Scheme = Mapping[str, Any]


def read_credentials(
    spec: Spec, operations: Sequence[Scheme], service: str, base_url: str
) -> dict[str, Any]:
    """Return the first requirement that a catalog can say as a service's settings; others as notes.

    Of schemes that are needed together one is the ``auth``; keys beside it are fixed ``headers``
    or ``query`` parameters.
    """
    if spec.swagger:
        schemes = spec.at("securityDefinitions")
    else:
        schemes = spec.at("components", "securitySchemes")
    prefix = re.sub(r"[^A-Z0-9]+", "_", service.upper())
    requirements = list(dict.fromkeys(_requirements([spec.root, *operations])))
    notes = []
    settings: dict[str, Any] = {}
    for names in requirements or [(name,) for name in schemes]:
        auths = {name: _read_scheme(spec, schemes, name, prefix, base_url) for name in names}
        sayable = {name: auth for name, auth in auths.items() if auth}
        if sayable and not settings:
            settings = _combine(sayable, prefix)
            if missing := [name for name in names if not _is_combined(name, sayable)]:
                notes.append(f"and beside it, which an auth cannot say: {', '.join(missing)}")
        elif sayable:
            notes.append(f"or: {' and '.join(names)}")
        else:
            notes.append(f"not known here: {' and '.join(names)}")
    if not settings and notes:
        settings = {"auth": {"type": "none"}}
    if settings:
        settings["auth"] = Commented(settings["auth"], *notes)
    return settings


def credential_names(settings: Mapping[str, Any]) -> set[str]:
    """Return the names of what the credentials are sent in, in lower case."""
    names = {*settings.get("headers", ()), *settings.get("query", ())}
    if name := settings.get("auth", {}).get("name"):
        names.add(name)
    return {name.lower() for name in names}


def _requirements(holders: Iterable[Scheme]) -> Iterator[tuple[str, ...]]:
    """Yield the file's requirements, then its operations'; each names schemes needed together."""
    for holder in holders:
        for requirement in list_in(holder, "security"):
            if isinstance(requirement, dict) and requirement:
                yield tuple(map(str, requirement))


def _main_scheme(sayable: Mapping[str, Scheme]) -> str:
    """Name the scheme that is the ``auth``: keys can be said beside it, others only there."""
    for name, auth in sayable.items():
        if auth["type"] != "api_key":
            return name
    return next(iter(sayable))


def _is_combined(name: str, sayable: Mapping[str, Scheme]) -> bool:
    """Tell whether ``_combine`` has a place for the scheme."""
    if name not in sayable:
        return False
    return name == _main_scheme(sayable) or sayable[name]["type"] == "api_key"


def _combine(sayable: Mapping[str, dict[str, Any]], prefix: str) -> dict[str, Any]:
    """Return the settings for schemes needed together; several keys have a variable each."""
    keys = [auth for auth in sayable.values() if auth["type"] == "api_key"]
    if len(keys) > 1:
        for key in keys:
            key["value"] = f"${{{_variable(prefix, key['name'])}}}"
    main = sayable[_main_scheme(sayable)]
    settings: dict[str, Any] = {"auth": main}
    for key in keys:
        if key is not main:
            place = "headers" if key["in"] == "header" else "query"
            settings.setdefault(place, {})[key["name"]] = key["value"]
    return settings


def _variable(prefix: str, name: str) -> str:
    name = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    if name.startswith(f"{prefix}_"):
        return name
    return f"{prefix}_{name}"


def _read_scheme(
    spec: Spec, schemes: Scheme, name: str, prefix: str, base_url: str
) -> dict[str, Any] | None:
    """Return the scheme as an ``auth``; None where a catalog cannot say it."""
    try:
        scheme = spec.follow(schemes.get(name))
    except UnsayableError:
        return None
    kind = scheme.get("type")
    if kind == "http":
        kind = str(scheme.get("scheme")).lower()
    if kind == "basic":
        return {
            "type": "basic",
            "username": f"${{{prefix}_USERNAME}}",
            "password": f"${{{prefix}_PASSWORD}}",
        }
    if kind == "apiKey":
        return _api_key(scheme, prefix)
    if kind == "oauth2" and (flow := _client_credentials(scheme)):
        return _oauth2(flow, prefix, base_url)
    if kind in ("bearer", "oauth2", "openIdConnect"):
        return {"type": "bearer", "token": f"${{{prefix}_TOKEN}}"}
    return None


def _api_key(scheme: Scheme, prefix: str) -> dict[str, Any] | None:
    place = scheme.get("in")
    name = str(scheme.get("name"))
    if place == "header":
        is_usable = bool(re.fullmatch(SETTABLE_HEADER, name))
    else:
        is_usable = place == "query" and "${" not in name
    if not is_usable:
        return None
    return {"type": "api_key", "in": place, "name": name, "value": f"${{{prefix}_API_KEY}}"}


def _client_credentials(scheme: Scheme) -> Scheme | None:
    """Return the flow with ``tokenUrl`` and ``scopes``, as each version writes it."""
    if scheme.get("flow") == "application":
        return scheme
    flow = mapping_in(scheme, "flows").get("clientCredentials")
    return flow if isinstance(flow, dict) else None


def _oauth2(flow: Scheme, prefix: str, base_url: str) -> dict[str, Any] | None:
    url = urljoin(f"{base_url}/", str(flow.get("tokenUrl")))
    if not re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+/[!\x22$->@-~]*", url) or "${" in url:
        return None
    auth = {
        "type": "oauth2_client_credentials",
        "client_id": f"${{{prefix}_CLIENT_ID}}",
        "client_secret": f"${{{prefix}_CLIENT_SECRET}}",
        "token_url": url,
    }
    scope = " ".join(map(str, mapping_in(flow, "scopes")))
    if scope and "${" not in scope:
        auth["scope"] = scope
    return auth
