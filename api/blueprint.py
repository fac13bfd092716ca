"""flask-smorest, told our ways: strict bodies in, the envelope out, and both in the OpenAPI file."""

from __future__ import annotations

from typing import Any, ClassVar

from flask import Request
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import RAISE, Schema, fields
from webargs.flaskparser import FlaskParser

from api.answers import envelope
from api.body import json_body


class Parser(FlaskParser):
    """Arguments that nobody declared are errors, and a body is read by our own rules."""

    DEFAULT_UNKNOWN_BY_LOCATION: ClassVar = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE, "json": RAISE}
    DEFAULT_VALIDATION_STATUS = 400

    def load_json(self, req: Request, schema: Schema) -> Any:
        return json_body()


class Blueprint(SmorestBlueprint):
    """``@blueprint.arguments(Schema)`` and ``@blueprint.response(status, Schema)`` in terms of the envelope."""

    ARGUMENTS_PARSER = Parser()

    @staticmethod
    def _prepare_response_content(data: Any) -> Any:
        return data

    @staticmethod
    def _make_doc_response_schema(schema: Any) -> Any:
        return enveloped(schema) if schema else schema


def enveloped(schema: Schema | type[Schema]) -> type[Schema]:
    """The success envelope around ``schema``, for the OpenAPI file."""
    inner = schema() if isinstance(schema, type) else schema
    return Schema.from_dict(
        {
            "code": fields.Integer(metadata={"example": 0}),
            "message": fields.String(metadata={"example": "success"}),
            "data": fields.Nested(inner),
            "request_id": fields.String(),
            "timestamp": fields.DateTime(),
        },
        name=f"{type(inner).__name__.removesuffix('Schema')}Envelope",
    )


__all__ = ["Blueprint", "envelope"]
