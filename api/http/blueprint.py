"""flask-smorest with strict bodies in, the envelope out, and both in the OpenAPI file.

@blueprint.arguments(ToyIn)
@blueprint.response(201, ToyOut)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any

from flask import Response
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import Schema, ValidationError, fields
from webargs.flaskparser import FlaskParser
from werkzeug.routing import BaseConverter, IntegerConverter

from api.http.bodies import read_json
from api.http.responses import success_response
from api.request_context import current_context
from gateway.errors import InvalidParams
from schemas.compiled import Load, compile_schema


class Parser(FlaskParser):
    """What the OpenAPI file says of arguments; ``Blueprint`` reads them itself."""

    DEFAULT_VALIDATION_STATUS = 400


class Blueprint(SmorestBlueprint):
    """``@blueprint.arguments(Schema)`` and ``@blueprint.response(status, Schema)``, enveloped.

    flask-smorest documents a view; what it would do at each request is done here in fewer steps.
    """

    ARGUMENTS_PARSER = Parser()

    def arguments(
        self, schema: Schema | type[Schema], *, location: str = "json", **options: Any
    ) -> Any:
        """Pass what a request says to the view, after the path's values.

        :param location: ``json``, a body read strictly, or ``query``. Arguments that nobody
            declared are refused.
        """
        schema = _instance(schema)
        document = super().arguments(schema, location=location, **options)
        load = compile_schema(schema)
        names = list(schema.load_fields)
        read = {"json": read_json, "query": read_query}[location]

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(document(view))
            def run(*args: Any, **kwargs: Any) -> Any:
                return view(*args, _load(load, names, read()), **kwargs)

            return run

        return decorate

    def response(
        self, status_code: int, schema: Schema | type[Schema] | None = None, **options: Any
    ) -> Any:
        """Answer what a view returns in the envelope, unless it is a response already."""
        document = super().response(status_code, schema, **options)
        dump = _instance(schema).dump if schema else None

        def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
            @wraps(document(view))
            def run(*args: Any, **kwargs: Any) -> Response:
                result = view(*args, **kwargs)
                if isinstance(result, Response):
                    return result
                return success_response(dump(result) if dump else result, status_code)

            return run

        return decorate

    @staticmethod
    def _make_doc_response_schema(schema: Schema | type[Schema] | None) -> type[Schema] | None:
        if schema is None:
            return None
        return _envelope_schema(schema if isinstance(schema, type) else type(schema))


def _instance(schema: Schema | type[Schema]) -> Schema:
    """Return one schema for all requests."""
    return schema() if isinstance(schema, type) else schema


def read_query() -> dict[str, str]:
    """:raises InvalidParams: a parameter is given more than once."""
    parameters = dict(current_context().request.args.lists())
    twice = [name for name, values in parameters.items() if len(values) > 1]
    if twice:
        raise InvalidParams(fields={name: ["Given more than once."] for name in twice})
    return {name: values[0] for name, values in parameters.items()}


def _load(load: Load, names: list[str], values: Any) -> Any:
    try:
        return load(values)
    except ValidationError as error:
        raise InvalidParams.among(error.messages_dict, names) from error


@cache  # one class a schema, or the OpenAPI file would number them
def _envelope_schema(schema: type[Schema]) -> type[Schema]:
    """Return the success envelope around ``schema``, for the OpenAPI file."""
    return Schema.from_dict(
        {
            "code": fields.Integer(metadata={"example": 0}),
            "message": fields.String(metadata={"example": "success"}),
            "data": fields.Nested(schema),
            "request_id": fields.String(),
            "timestamp": fields.DateTime(),
        },
        name=f"{schema.__name__.removesuffix('Schema')}Envelope",
    )


# --- what stands in a path for a row


class IdConverter(IntegerConverter):
    """Matches ``<id:product_id>``: a whole number that a database can hold; or not found."""

    # Nine digits fit every database's integers. Not ``max=``: werkzeug would answer 405 beyond it.
    regex = "[0-9]{1,9}"


class KeyConverter(BaseConverter):
    """Matches ``<key:key>``: one character or more, slashes and line ends included."""

    part_isolating = False
    regex = r"[\s\S]+"


class RestConverter(BaseConverter):
    """Matches the end of a path, slashes included; it may be empty."""

    part_isolating = False
    regex = r"[\s\S]*"


CONVERTERS = {"id": IdConverter, "key": KeyConverter, "rest": RestConverter}
