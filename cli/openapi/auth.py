"""How the vendor knows us: the file's security schemes as a service's settings, with ``${NAME}`` for secrets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from cli.openapi.source import Spec, UnsayableError
from cli.openapi.yaml_writer import Commented
from schemas.catalog_fields import SETTABLE_HEADER

Scheme = Mapping[str, Any]


@dataclass(frozen=True)
class Credentials:
    """A service's ``auth``, and the ``headers`` and ``query`` that go with it; none of them where none is asked for.

    :param names: of what they send, in lower case.
    """

    settings: dict[str, Any]
    names: frozenset[str]


def credentials_of(
    spec: Spec, operations: Sequence[Scheme], service: str, base_url: str
) -> Credentials:
    """The first way in that a catalog can say, of those the file asks for; what else it offers is in the notes.

    Of schemes that are needed together one is the ``auth``; keys beside it are fixed headers or query parameters.
    """
    schemes = (
        spec.at("securityDefinitions") if spec.swagger else spec.at("components", "securitySchemes")
    )
    prefix = re.sub(r"[^A-Z0-9]+", "_", service.upper())
    wanted = list(dict.fromkeys(_wanted([spec.root, *operations]))) or [(name,) for name in schemes]
    notes = []
    settings: dict[str, Any] = {}
    for names in wanted:
        auth = {name: _settings(spec, schemes, name, prefix, base_url) for name in names}
        sayable = {name: value for name, value in auth.items() if value}
        if sayable and not settings:
            settings = _together(sayable, prefix)
            if missing := [
                name for name in names if name not in sayable or _is_second(name, sayable)
            ]:
                notes.append(f"and beside it, which an auth cannot say: {', '.join(missing)}")
        else:
            notes.append(f"{'or' if sayable else 'not known here'}: {' and '.join(names)}")
    if not settings and notes:
        settings = {"auth": {"type": "none"}}
    if settings:
        settings["auth"] = Commented(settings["auth"], *notes)
    own_name = settings.get("auth", {}).get("name")
    sent = [
        *([own_name] if own_name else ()),
        *settings.get("headers", ()),
        *settings.get("query", ()),
    ]
    return Credentials(settings, frozenset(name.lower() for name in sent))


def _wanted(holders: Iterable[Scheme]) -> Iterator[tuple[str, ...]]:
    """The requirements of the file, then those of its operations; each names schemes that are needed together."""
    for holder in holders:
        requirements = holder.get("security")
        for each in requirements if isinstance(requirements, list) else ():
            if isinstance(each, dict) and each:
                yield tuple(map(str, each))


def _first(sayable: Mapping[str, Scheme]) -> str:
    """The scheme that is the ``auth``: keys can be said beside it, others only there."""
    return next(
        (name for name, auth in sayable.items() if auth["type"] != "api_key"), next(iter(sayable))
    )


def _is_second(name: str, sayable: Mapping[str, Scheme]) -> bool:
    return name != _first(sayable) and sayable[name]["type"] != "api_key"


def _together(sayable: Mapping[str, dict[str, Any]], prefix: str) -> dict[str, Any]:
    """The settings for schemes that are needed together; several keys have variables of their own names."""
    keys = [auth for auth in sayable.values() if auth["type"] == "api_key"]
    if len(keys) > 1:
        for key in keys:
            key["value"] = f"${{{_variable(prefix, key['name'])}}}"
    first = sayable[_first(sayable)]
    settings: dict[str, Any] = {"auth": first}
    for key in keys:
        if key is not first:
            place = "headers" if key["in"] == "header" else "query"
            settings.setdefault(place, {})[key["name"]] = key["value"]
    return settings


def _variable(prefix: str, name: str) -> str:
    name = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    return name if name.startswith(f"{prefix}_") else f"{prefix}_{name}"


def _settings(
    spec: Spec, schemes: Scheme, name: str, prefix: str, base_url: str
) -> dict[str, Any] | None:
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
    place, name = scheme.get("in"), str(scheme.get("name"))
    fits = (
        re.fullmatch(SETTABLE_HEADER, name)
        if place == "header"
        else place == "query" and "${" not in name
    )
    return (
        {"type": "api_key", "in": place, "name": name, "value": f"${{{prefix}_API_KEY}}"}
        if fits
        else None
    )


def _client_credentials(scheme: Scheme) -> Scheme | None:
    """The flow with ``tokenUrl`` and ``scopes``, as each version writes it."""
    if scheme.get("flow") == "application":
        return scheme
    flows = scheme.get("flows")
    flow = flows.get("clientCredentials") if isinstance(flows, dict) else None
    return flow if isinstance(flow, dict) else None


def _oauth2(flow: Scheme, prefix: str, base_url: str) -> dict[str, Any] | None:
    url = urljoin(f"{base_url}/", str(flow.get("tokenUrl")))
    if not re.fullmatch(r"https?://[A-Za-z0-9._:\[\]-]+/[!\x22$->@-~]*", url) or "${" in url:
        return None
    made = {
        "type": "oauth2_client_credentials",
        "client_id": f"${{{prefix}_CLIENT_ID}}",
        "client_secret": f"${{{prefix}_CLIENT_SECRET}}",
        "token_url": url,
    }
    scopes = flow.get("scopes")
    if isinstance(scopes, dict) and (text := " ".join(map(str, scopes))) and "${" not in text:
        made["scope"] = text
    return made
