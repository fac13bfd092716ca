"""flask-smorest with strict bodies in, the envelope out, and both in the OpenAPI file.

@blueprint.arguments(ToyIn)
@blueprint.response(201, ToyOut)
"""

from __future__ import annotations

from functools import cache
from typing import Any, NoReturn

from flask import Request, g
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import RAISE, Schema, ValidationError, fields
from webargs.flaskparser import FlaskParser
from werkzeug.routing import BaseConverter, IntegerConverter

from api.http.body import read_json
from api.http.responses import build_envelope
from gateway.errors import InvalidParams


class Parser(FlaskParser):
    """Refuses arguments that nobody declared, and reads bodies strictly."""

    DEFAULT_UNKNOWN_BY_LOCATION = {  # noqa: RUF012  # webargs declares it so
        **FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION,
        "query": RAISE,
        "json": RAISE,
    }
    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Request, schema: Schema) -> Any:
        return read_json()

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        twice = [name for name, values in req.args.lists() if len(values) > 1]
        if twice:
            raise InvalidParams(fields={name: ["Given more than once."] for name in twice})
        return super().load_querystring(req, schema)

    def handle_error(self, error: ValidationError, *args: Any, **kwargs: Any) -> NoReturn:
        [fields_of_location] = error.messages_dict.values()
        raise InvalidParams(fields=fields_of_location) from error


class Blueprint(SmorestBlueprint):
    """``@blueprint.arguments(Schema)`` and ``@blueprint.response(status, Schema)``, enveloped."""

    ARGUMENTS_PARSER = Parser()

    def arguments(self, schema: Schema | type[Schema], **options: Any) -> Any:
        """Make one schema for all requests; of a class, webargs would make one for each of them."""
        if isinstance(schema, type):
            schema = schema()
        return super().arguments(schema, **options)

    @staticmethod
    def _prepare_response_content(data: Any) -> Any:
        return build_envelope(g.request_id, data)

    @staticmethod
    def _make_doc_response_schema(schema: Any) -> Any:
        return schema and enveloped(schema)


def enveloped(schema: Schema | type[Schema]) -> type[Schema]:
    """Return the success envelope around ``schema``, for the OpenAPI file."""
    if not isinstance(schema, type):
        schema = type(schema)
    return _enveloped(schema)


@cache  # one class a schema, or the OpenAPI file would number them
def _enveloped(schema: type[Schema]) -> type[Schema]:
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
