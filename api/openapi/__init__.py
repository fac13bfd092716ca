"""The OpenAPI 3.1 file: the resources, the generic operations, and the catalog's methods."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256
from itertools import chain
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from flask_smorest import Api, Blueprint

from api.http.blueprint import CONVERTERS, IdConverter, KeyConverter
from api.http.etags import CompressedPage, hash_etag
from api.http.versions import PREFIX
from api.openapi.answers import answer_schemas
from api.openapi.calls import Item, aggregate_paths, method_paths
from api.openapi.components import (
    INFO,
    PARAMETERS,
    RESPONSE_HEADERS,
    RESPONSES,
    SCHEMAS,
    SCHEMES,
    SECURITY,
    batch_operation,
    call_operation,
    plain_paths,
    success,
)
from api.openapi.failures import Failures
from api.openapi.resources import resource_paths
from gateway.bodies import dump_json
from gateway.catalog.model import Catalog
from schemas.calls import BatchSchema, CallSchema

_CONFIG = {"API_TITLE": "Postern", "API_VERSION": "v1", "OPENAPI_VERSION": "3.1.0"}


def collect_operations(blueprints: Iterable[Blueprint]) -> APISpec:
    """Return the operations of ``blueprints``, which flask-smorest collects as it registers them.

    On an app of its own: that takes twice the time of all else that making Postern's app takes, and
    most processes are never asked for the file.
    """
    app = Flask(__name__)
    app.url_map.converters.update(CONVERTERS)
    app.config.from_mapping(_CONFIG)
    api = Api(
        app,
        spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_schema_name)},
    )
    api.register_converter(IdConverter, lambda _: {"type": "integer"})
    api.register_converter(KeyConverter, lambda _: {"type": "string"})
    for blueprint in blueprints:
        api.register_blueprint(blueprint, url_prefix=PREFIX)
    return api.spec


def _schema_name(schema: Any) -> str:
    """Return a schema's name; the one of a PATCH, which asks for nothing, has its own."""
    name = schema.__name__ if isinstance(schema, type) else type(schema).__name__
    return f"{name.removesuffix('In')}Change" if getattr(schema, "partial", None) is True else name


TAGS = [
    {
        "name": "calls",
        "description": "Calling through the gateway; each of the catalog's services has its own tag.",
    },
    {"name": "state", "description": "Is it up, and what it counted."},
]
_UNUSED = {"ErrorSchema", "PaginationMetadataSchema"}
METHODS_PER_PAUSE = 50  # methods between two pauses
MAX_PREFIXES = 4  # whose files are kept


class OpenApi:
    """Safe under threads and greenlets."""

    def __init__(self, app: Flask, resources: Sequence[Blueprint]) -> None:
        self._app = app
        self._resources = resources
        self._lock = threading.Lock()
        # By prefix.
        self._cache: tuple[Catalog | None, dict[str, CompressedPage]] = (None, {})
        self._base: tuple[dict[str, Any], Failures] | None = None

    def page(self, catalog: Catalog, prefix: str, pause: Callable[[], None]) -> CompressedPage:
        """Return the file for this catalog.

        :param prefix: the path under which proxies show this service, or nothing.
        :param pause: called now and then, or a large catalog's file would hold up every other
            greenlet.
        """
        cached_catalog, pages = self._cache
        if cached_catalog is catalog and prefix in pages:
            return pages[prefix]
        with self._lock:
            cached_catalog, pages = self._cache
            if cached_catalog is not catalog or len(pages) >= MAX_PREFIXES:
                pages = {}
            if prefix not in pages:
                pages = {**pages, prefix: self._render(catalog, prefix, pause)}
                self._cache = (catalog, pages)
            return pages[prefix]

    def _render(self, catalog: Catalog, prefix: str, pause: Callable[[], None]) -> CompressedPage:
        """Render it in pieces: as one value, ten thousand methods' would be a hundred megabytes."""
        self._base = self._base or self._build_base()
        base, failures = self._base
        failures = failures.copy()
        packer = zlib.compressobj(1, zlib.DEFLATED, 31)
        digest = sha256()
        packed = bytearray()
        size = 0
        for piece in _pieces(base, prefix, catalog, failures, pause):
            packed += packer.compress(piece)
            digest.update(piece)
            size += len(piece)
        packed += packer.flush()
        return CompressedPage(bytes(packed), "application/json", hash_etag(digest), size)

    def _build_base(self) -> tuple[dict[str, Any], Failures]:
        """Return what no catalog changes."""
        spec = collect_operations(self._resources)
        failures = Failures()
        for name, schema_class in (("Call", CallSchema), ("Batch", BatchSchema)):
            spec.components.schema(name, schema=schema_class)
        document = spec.to_dict()
        paths = {
            f"{PREFIX}/call": call_operation(failures),
            f"{PREFIX}/batch": batch_operation(failures),
            **resource_paths(self._app, document, failures),
            **plain_paths(failures),
        }
        schemas = {
            name: _finish_schema(name, schema)
            for name, schema in document["components"]["schemas"].items()
        }
        used_schemas = {name: schema for name, schema in schemas.items() if name not in _UNUSED}
        return {
            "paths": paths,
            "tags": [*TAGS, *document["tags"]],
            "schemas": {**SCHEMAS, "Nothing": success({"type": "null"}), **used_schemas},
        }, failures


def _pieces(
    base: dict[str, Any],
    prefix: str,
    catalog: Catalog,
    failures: Failures,
    pause: Callable[[], None],
) -> Iterator[bytes]:
    names = {tag["name"] for tag in base["tags"]}
    services = [
        {"name": name, "description": f"The service {name}."}
        for name in sorted(catalog.services)
        if name not in names
    ]
    head = {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": prefix or "/"}],
        "tags": [*base["tags"], *services],
        "security": SECURITY,
    }
    yield dump_json(head)[:-1] + b',"paths":{'
    yield dump_json(base["paths"])[1:-1]
    paths = chain(method_paths(catalog, failures), aggregate_paths(catalog, failures))
    yield from _members(paths, pause)
    yield b'},"components":{"schemas":'
    yield dump_json({**base["schemas"], **failures.schemas})[:-1]
    yield from _members(answer_schemas(catalog), pause)
    components = {
        "responses": {**RESPONSES, **failures.components},
        "parameters": PARAMETERS,
        "headers": RESPONSE_HEADERS,
        "securitySchemes": SCHEMES,
    }
    yield b"}," + dump_json(components)[1:] + b"}"


def _members(items: Iterable[Item], pause: Callable[[], None]) -> Iterator[bytes]:
    """Yield the items as members that come after others in a JSON object."""
    for number, (name, value) in enumerate(items):
        yield b"," + dump_json(name) + b":" + dump_json(value)
        if number % METHODS_PER_PAUSE == 0:
            pause()


def _finish_schema(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Say of what goes out that it has all of its fields, and may have more of them one day."""
    if not name.endswith(("Out", "Envelope")):
        return schema
    schema = {key: value for key, value in schema.items() if key != "additionalProperties"}
    schema["required"] = sorted(schema["properties"])
    if name.endswith("Envelope"):
        schema["properties"] = {**schema["properties"], "code": {"const": 0}}
    return schema
