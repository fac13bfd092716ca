"""Schemas of calls, services, their state and call records."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from schemas.bounded import Bounded, Many
from schemas.catalog.params import JsonType
from schemas.compiled import compile_schema
from schemas.fields import MAX_INTEGER, MAX_ITEMS, Number, Text, list_of, since_field, whole_list_of

# --- call

NAME = validate.Length(min=1, max=64)
MIN_CODE = -9999
ALL_PAGES = "all"  # what a caller may ask for


class CallSchema(Bounded):
    service = fields.String(required=True, validate=NAME)
    method = fields.String(required=True, validate=NAME)
    params = fields.Dict(load_default=dict)


# --- batch

MAX_CALLS = 20


class BatchCallSchema(CallSchema):
    id = fields.String(required=True, validate=NAME)
    optional = JsonType("boolean", load_default=False, metadata={"type": "boolean"})
    paginate = fields.String(
        validate=validate.OneOf((ALL_PAGES,)),
        metadata={"description": "Gathers the list's pages into one answer."},
    )


class BatchSchema(Bounded):
    calls = Many(
        fields.Nested(BatchCallSchema), required=True, validate=validate.Length(1, MAX_CALLS)
    )


load_call = compile_schema(CallSchema())
_load_batch = compile_schema(BatchSchema())


def load_batch(data: Any) -> list[dict[str, Any]]:
    """Return the calls of a batch.

    :raises ValidationError: it is none, or two of its calls have one id.
    """
    calls: list[dict[str, Any]] = _load_batch(data)["calls"]
    ids: set[str] = set()
    for place, call in enumerate(calls):
        if call["id"] in ids:
            raise ValidationError(
                {"calls": {place: {"id": ["Given twice; each call has an id of its own."]}}}
            )
        ids.add(call["id"])
    return calls


# --- services


class MethodOut(Schema):
    name = fields.String()
    verb = fields.String()
    summary = fields.String()
    params = fields.Dict(metadata={"description": "OpenAPI keywords by parameter name."})
    returns = fields.Dict(
        allow_none=True,
        metadata={"description": "OpenAPI keywords of `data`; null where nothing is declared."},
    )
    response_headers = fields.List(
        fields.String(), metadata={"description": "Of the service's, those that callers get."}
    )
    paginates = fields.Boolean(
        metadata={"description": "Its answers have `next`, and `X-Paginate: all` gathers them."}
    )
    upload = fields.String(
        allow_none=True,
        metadata={
            "description": "How it takes files: form (parameters as `multipart/form-data`);"
            " multipart or raw, the body passed on as it comes; null where it takes none."
        },
    )


class InstancesOut(Schema):
    up = fields.Integer()
    left_out = fields.Integer(metadata={"description": "They failed, and are not called now."})


class ServiceStateOut(Schema):
    name = fields.String()
    health = fields.String(
        metadata={"description": "up, down, or unknown where nothing probes it."}
    )
    breaker = fields.String(metadata={"description": "closed, open or half_open."})


class ServiceOut(ServiceStateOut):
    instances = fields.Nested(
        InstancesOut,
        allow_none=True,
        metadata={"description": "Those that a registry knows; null where none is asked."},
    )
    methods = fields.List(fields.Nested(MethodOut))
    proxy = fields.List(
        fields.String(),
        metadata={"description": "Paths that may be called as they are; * stands for anything."},
    )


ServiceListOut = whole_list_of(ServiceOut)


# --- status


class CatalogOut(Schema):
    version = fields.String(metadata={"description": "The beginning of its text's SHA-256."})
    taken_at = fields.DateTime(metadata={"description": "Since when it serves."})
    reloads = fields.Integer(
        metadata={"description": "How many took another's place in the worker that answers."}
    )
    error = fields.String(
        metadata={
            "description": "Why the source's present text does not serve; empty when it does."
        }
    )


class CatalogProblemOut(Schema):
    file = fields.String()
    line = fields.Integer(metadata={"description": "0 where it is about the file as a whole."})
    key = fields.String(metadata={"description": "Such as services.maps.deadline; may be empty."})
    message = fields.String(metadata={"description": "What is wrong, and what to write instead."})


class CatalogSourceOut(Schema):
    source = fields.String(metadata={"description": "The file's name, consul or nacos."})
    state = fields.String(
        validate=validate.OneOf(["serving", "valid", "refused", "unreadable"]),
        metadata={"description": "valid: it is another catalog than serves, and will be taken."},
    )
    version = fields.String(metadata={"description": "Of the source's text; empty without one."})
    serving = fields.String(metadata={"description": "The version that serves."})
    problems = fields.List(fields.Nested(CatalogProblemOut))
    diff = fields.String(
        metadata={"description": "Unified, from what serves; secrets spelled out are masked."}
    )


class MinuteOut(Schema):
    ago = fields.Integer(metadata={"description": "Minutes; 0 is the one that runs."})
    calls = fields.Integer()
    failed = fields.Integer(metadata={"description": "By the gateway's or the service's fault."})
    p50_ms = fields.Float()
    p99_ms = fields.Float()


class ServiceStatusOut(ServiceStateOut):
    calls = fields.Integer(
        metadata={"description": "Over the last five minutes, as all that follows."}
    )
    rate = fields.Float(metadata={"description": "Calls a second."})
    failed = fields.Float(
        metadata={"description": "The share that the gateway or the service failed, 0 to 1."}
    )
    p50_ms = fields.Float(allow_none=True)
    p99_ms = fields.Float(allow_none=True)
    minutes = fields.List(
        fields.Nested(MinuteOut), metadata={"description": "Those of the last hour with calls."}
    )


class FaultsOut(Schema):
    none = fields.Integer(metadata={"description": "Calls that succeeded."})
    rejected = fields.Integer(
        metadata={"description": "Calls to which the service said no (-1006): nobody's failure."}
    )
    caller = fields.Integer()
    gateway = fields.Integer()
    downstream = fields.Integer()


class StatusOut(Schema):
    catalog = fields.Nested(CatalogOut)
    faults = fields.Nested(
        FaultsOut, metadata={"description": "Calls of the last hour, by whose fault they failed."}
    )
    services = fields.List(fields.Nested(ServiceStatusOut))


# --- records


class RecentArgs(Bounded):
    service = Text(64, 1)
    method = Text(64, 1)
    caller = Text(255, 1, metadata={"example": "user:7"})
    code = Number(
        MIN_CODE, 0, metadata={"description": "Such as -1004; 0 of those that succeeded."}
    )
    since = since_field()
    failed = fields.Boolean(
        load_default=False,
        truthy={"true", "1"},
        falsy={"false", "0"},
        metadata={"description": "Only those that failed."},
    )
    skip = Number(0, MAX_INTEGER, load_default=0)
    limit = Number(1, MAX_ITEMS, load_default=20)


class AttemptOut(Schema):
    number = fields.Integer()
    called = fields.String(
        metadata={"description": "service.method; another's where a fallback was asked."}
    )
    host = fields.String()
    status = fields.Integer(
        allow_none=True, metadata={"description": "The service's, if it answered."}
    )
    code = fields.Integer()
    type = fields.String(allow_none=True)
    started_ms = fields.Float(metadata={"description": "From the beginning of the call."})
    elapsed_ms = fields.Float()
    first_byte_ms = fields.Float(allow_none=True)
    why = fields.String(allow_none=True)


class EventOut(Schema):
    at_ms = fields.Float()
    what = fields.String(
        metadata={"description": "Such as retry, cache, breaker, token, fallback."}
    )
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
    why = fields.String(
        allow_none=True,
        metadata={
            "description": "Why the service said no, in its own words, masked: for admins, and for"
            " the caller where the service has `expose_vendor_error`."
        },
    )
    started_at = fields.DateTime()
    elapsed_ms = fields.Float()
    cache = fields.String(allow_none=True)
    fallback = fields.String(allow_none=True)
    replayed = fields.Boolean()
    attempts = fields.List(fields.Nested(AttemptOut))
    events = fields.List(fields.Nested(EventOut))
    params = fields.Dict(
        allow_none=True, metadata={"description": "Masked; null where they are too large."}
    )


class CallRecordOut(RecordOut):
    more = fields.List(
        fields.Nested(RecordOut), metadata={"description": "The others of a batch or an aggregate."}
    )


RecordListOut = list_of(RecordOut)
