"""What flask-smorest knows of our blueprints' operations: their paths, arguments and answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from flask_smorest import Api, Blueprint

from api.paths import CONVERTERS, IdConverter, KeyConverter
from api.versions import PREFIX

_CONFIG = {"API_TITLE": "Postern", "API_VERSION": "v1", "OPENAPI_VERSION": "3.1.0"}


def collected(blueprints: Iterable[Blueprint]) -> APISpec:
    """The operations of ``blueprints``, as flask-smorest tells them.

    It collects while it registers, and on an app of its own: that takes twice the time of all else that making
    Postern's app takes, and most processes are never asked for the file.
    """
    app = Flask(__name__)
    app.url_map.converters.update(CONVERTERS)
    app.config.from_mapping(_CONFIG)
    api = Api(app, spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_schema_name)})
    api.register_converter(IdConverter, lambda _: {"type": "integer"})
    api.register_converter(KeyConverter, lambda _: {"type": "string"})
    for blueprint in blueprints:
        api.register_blueprint(blueprint, url_prefix=PREFIX)
    return api.spec


def _schema_name(schema: Any) -> str:
    """A schema's name in the OpenAPI file; the one of a PATCH, which asks for nothing, has its own."""
    name = schema.__name__ if isinstance(schema, type) else type(schema).__name__
    return f"{name.removesuffix('In')}Change" if getattr(schema, "partial", None) is True else name
