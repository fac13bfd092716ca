"""An OpenTelemetry collector that stores what it is sent: OTLP over HTTP, protobuf, as the specification says."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.http_server import Answer, HttpServer, Received

PROTOBUF = "application/x-protobuf"


class Collector(HttpServer):
    """:ivar requests: what it was sent, in order."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    def answer(self, request: Received) -> Answer:
        body = request.body
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        answer = Answer(
            200, ExportTraceServiceResponse().SerializeToString(), (("Content-Type", PROTOBUF),)
        )
        if request.target != "/v1/traces" or request.headers["content-type"] != PROTOBUF:
            return replace(answer, status=404)
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        return answer

    @property
    def spans(self) -> list[Any]:
        return [span for scope in self._scopes() for span in scope.spans]

    @property
    def services(self) -> set[str]:
        """What the resources call themselves."""
        return {
            attribute.value.string_value
            for request in list(self.requests)
            for resource in request.resource_spans
            for attribute in resource.resource.attributes
            if attribute.key == "service.name"
        }

    def _scopes(self) -> list[Any]:
        return [
            scope
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
        ]
