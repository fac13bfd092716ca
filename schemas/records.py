"""What ``/calls`` takes and answers."""

from __future__ import annotations

from marshmallow import Schema, fields

from schemas.bounded import Bounded
from schemas.fields import Number
from schemas.lists import MOST_ITEMS


class RecentArgs(Bounded):
    failed = fields.Boolean(
        load_default=False,
        truthy={"true", "1"},
        falsy={"false", "0"},
        metadata={"description": "Only those that failed."},
    )
    limit = Number(1, MOST_ITEMS, load_default=20)


class AttemptOut(Schema):
    number = fields.Integer()
    called = fields.String(metadata={"description": "service.method; another's where a fallback was asked."})
    host = fields.String()
    status = fields.Integer(allow_none=True, metadata={"description": "The service's, if it answered."})
    code = fields.Integer()
    type = fields.String(allow_none=True)
    started_ms = fields.Float(metadata={"description": "From the beginning of the call."})
    elapsed_ms = fields.Float()
    first_byte_ms = fields.Float(allow_none=True)


class EventOut(Schema):
    at_ms = fields.Float()
    what = fields.String(metadata={"description": "Such as retry, cache, breaker, token, fallback."})
    detail = fields.String()


class RecordOut(Schema):
    request_id = fields.String()
    trace_id = fields.String()
    caller = fields.String()
    service = fields.String()
    method = fields.String()
    code = fields.Integer()
    type = fields.String(allow_none=True)
    source = fields.String(allow_none=True)
    started_at = fields.DateTime()
    elapsed_ms = fields.Float()
    cache = fields.String(allow_none=True)
    fallback = fields.String(allow_none=True)
    replayed = fields.Boolean()
    attempts = fields.List(fields.Nested(AttemptOut))
    events = fields.List(fields.Nested(EventOut))
    params = fields.Dict(allow_none=True, metadata={"description": "Masked; null where they are too large."})


class CallRecordOut(RecordOut):
    more = fields.List(fields.Nested(RecordOut), metadata={"description": "The others of a batch or an aggregate."})


class RecordListOut(Schema):
    items = fields.List(fields.Nested(RecordOut))
