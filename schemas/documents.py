"""JSON documents, in and out."""

from __future__ import annotations

import json
from typing import Any

from marshmallow import RAISE, Schema, fields

from schemas.bounded import Bounded
from schemas.fields import Text
from schemas.lists import ListArgs, list_of, sort_field

LONGEST_KEY = 200


class DocumentIn(Bounded):
    class Meta:
        unknown = RAISE

    key = Text(LONGEST_KEY, 1, required=True)
    value = fields.Raw(required=True, allow_none=True, metadata={"description": "Any JSON."})


class DocumentOut(Schema):
    key = fields.String()
    value: fields.Field[Any] = fields.Raw(allow_none=True)
    owner = fields.String(metadata={"example": "user:7"})
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class DocumentRow(DocumentOut):
    """One line of CSV: the value as JSON text."""

    value = fields.Function(lambda document: json.dumps(document.value, ensure_ascii=False, separators=(",", ":")))


class DocumentArgs(ListArgs):
    sort = sort_field("id", "key", "created_at", "updated_at")
    after = Text(LONGEST_KEY, 1, metadata={"description": "The last key seen."})  # type: ignore[assignment]


DocumentListOut = list_of(DocumentOut)
