"""What ``POST /call`` takes."""

from __future__ import annotations

from marshmallow import RAISE, Schema, fields, validate

NAME = validate.Length(min=1, max=64)


class CallSchema(Schema):
    class Meta:
        unknown = RAISE

    service = fields.String(required=True, validate=NAME)
    method = fields.String(required=True, validate=NAME)
    params = fields.Dict(keys=fields.String(), load_default=dict)
