"""What ``/services`` answers."""

from __future__ import annotations

from marshmallow import Schema, fields


class MethodOut(Schema):
    name = fields.String()
    verb = fields.String()
    summary = fields.String()
    params = fields.Dict(metadata={"description": "OpenAPI keywords by parameter name."})


class ServiceOut(Schema):
    name = fields.String()
    health = fields.String(metadata={"description": "up, down, or unknown where nothing probes it."})
    breaker = fields.String(metadata={"description": "closed, open or half_open."})
    methods = fields.List(fields.Nested(MethodOut))
    proxy = fields.List(
        fields.String(), metadata={"description": "Paths that may be called as they are; * stands for anything."}
    )


class ServiceListOut(Schema):
    items = fields.List(fields.Nested(ServiceOut))
    total = fields.Integer()
