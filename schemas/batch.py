"""What ``POST /batch`` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, ValidationError, fields, validate, validates_schema

from schemas.bounded import Bounded, Many
from schemas.call import CallSchema
from schemas.params import JsonType

MOST_CALLS = 20


class BatchCallSchema(CallSchema):
    id = fields.String(required=True, validate=validate.Length(min=1, max=64))
    optional = JsonType("boolean", load_default=False, metadata={"type": "boolean"})


class BatchSchema(Bounded):
    class Meta:
        unknown = RAISE

    calls = Many(fields.Nested(BatchCallSchema), required=True, validate=validate.Length(min=1, max=MOST_CALLS))

    @validates_schema(skip_on_field_errors=True)
    def ids_differ(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        seen: set[str] = set()
        for place, each in enumerate(data["calls"]):
            if each["id"] in seen:
                raise ValidationError({"calls": {place: {"id": ["Given twice; each call has an id of its own."]}}})
            seen.add(each["id"])
