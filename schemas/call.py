"""What ``POST /call`` takes."""

from __future__ import annotations

from marshmallow import RAISE, fields, validate

from schemas.bounded import Bounded

NAME = validate.Length(min=1, max=64)


class CallSchema(Bounded):
    class Meta:
        unknown = RAISE

    service = fields.String(required=True, validate=NAME)
    method = fields.String(required=True, validate=NAME)
    params = fields.Dict(load_default=dict)
