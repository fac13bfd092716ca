"""How the vendor knows us: one of the file's security schemes as a service's ``auth``, with ``${NAME}`` for secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin

from cli.openapi.source import Spec, UnsayableError
from cli.openapi.written import Noted
from schemas.shapes import SETTABLE_HEADER

Scheme = Mapping[str, Any]


def auth_of(spec: Spec, service: str, base_url: str) -> Noted | None:
    """The first way in that a catalog can say, of those the file asks for; None where it asks for none.

    What else it offers, or wants beside it, is in the notes.
    """
    schemes = spec.at("securityDefinitions") if spec.swagger else spec.at("components", "securitySchemes")
    prefix = re.sub(r"[^A-Z0-9]+", "_", service.upper())
    notes, made = [], None
    wanted = list(dict.fromkeys(_wanted(spec))) or [(name,) for name in schemes]
    for names in wanted:
        settings = _settings(spec, schemes, names[0], prefix, base_url)
        if settings and made is None:
            made = Noted(settings)
            if names[1:]:
                notes.append(f"and beside it, which an auth cannot say: {', '.join(names[1:])}")
        elif names:
            notes.append(f"{'or' if settings else 'not known here'}: {' and '.join(names)}")
    if made is None:
        return Noted({"type": "none"}, *notes) if notes else None
    made.notes = notes
    return made


def _wanted(spec: Spec) -> Iterator[tuple[str, ...]]:
    """The requirements of the file, then those of its operations; each names schemes that are needed together."""
    paths = [each for each in spec.at("paths").values() if isinstance(each, dict)]
    operations = (each for path in paths for each in path.values() if isinstance(each, dict))
    for holder in (spec.root, *operations):
        requirements = holder.get("security")
        for each in requirements if isinstance(requirements, list) else ():
            if isinstance(each, dict) and each:
                yield tuple(map(str, each))


def _settings(spec: Spec, schemes: Scheme, name: str, prefix: str, base_url: str) -> dict[str, Any] | None:
    try:
        scheme = spec.follow(schemes.get(name))
    except UnsayableError:
        return None
    kind = scheme.get("type")
    if kind == "http":
        kind = str(scheme.get("scheme")).lower()
    if kind == "basic":
        return {"type": "basic", "username": f"${{{prefix}_USERNAME}}", "password": f"${{{prefix}_PASSWORD}}"}
    if kind == "apiKey":
        return _api_key(scheme, prefix)
    if kind == "oauth2" and (flow := _client_credentials(scheme)):
        return _oauth2(flow, prefix, base_url)
    if kind in ("bearer", "oauth2", "openIdConnect"):
        return {"type": "bearer", "token": f"${{{prefix}_TOKEN}}"}
    return None


def _api_key(scheme: Scheme, prefix: str) -> dict[str, Any] | None:
    place, name = scheme.get("in"), str(scheme.get("name"))
    fits = re.fullmatch(SETTABLE_HEADER, name) if place == "header" else place == "query" and "${" not in name
    return {"type": "api_key", "in": place, "name": name, "value": f"${{{prefix}_API_KEY}}"} if fits else None


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
