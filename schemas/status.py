"""What ``/status`` answers."""

from __future__ import annotations

from marshmallow import Schema, fields


class CatalogOut(Schema):
    version = fields.String(metadata={"description": "The beginning of its text's SHA-256."})
    taken_at = fields.DateTime(metadata={"description": "Since when it serves."})
    reloads = fields.Integer(metadata={"description": "How many took another's place in the worker that answers."})
    error = fields.String(metadata={"description": "Why the source's present text does not serve; empty when it does."})


class MinuteOut(Schema):
    ago = fields.Integer(metadata={"description": "Minutes; 0 is the one that runs."})
    calls = fields.Integer()
    failed = fields.Integer(metadata={"description": "By the gateway's or the service's fault."})
    p50_ms = fields.Float()
    p99_ms = fields.Float()


class ServiceStatusOut(Schema):
    name = fields.String()
    health = fields.String(metadata={"description": "up, down, or unknown where nothing probes it."})
    breaker = fields.String(metadata={"description": "closed, open or half_open."})
    calls = fields.Integer(metadata={"description": "Over the last five minutes, as all that follows."})
    rate = fields.Float(metadata={"description": "Calls a second."})
    failed = fields.Float(metadata={"description": "The share that the gateway or the service failed, 0 to 1."})
    p50_ms = fields.Float(allow_none=True)
    p99_ms = fields.Float(allow_none=True)
    minutes = fields.List(fields.Nested(MinuteOut), metadata={"description": "Those of the last hour with calls."})


class FaultsOut(Schema):
    none = fields.Integer(metadata={"description": "Calls that succeeded."})
    caller = fields.Integer()
    gateway = fields.Integer()
    downstream = fields.Integer()


class StatusOut(Schema):
    catalog = fields.Nested(CatalogOut)
    faults = fields.Nested(FaultsOut, metadata={"description": "Calls of the last hour, by whose fault they failed."})
    services = fields.List(fields.Nested(ServiceStatusOut))
