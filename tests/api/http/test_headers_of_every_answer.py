"""What is done after every view in one step gives the same headers as a Flask hook for each of them would."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask, Response, g, request
from flask.testing import FlaskClient
from flask_compress import Compress
from flask_cors import CORS

from api.calls.proxy import blueprint as proxy_blueprint
from api.http.bodies.streams import StreamResponse
from api.http.cors import EXPOSED_HEADERS, NOT_PROXIED
from api.http.error_response import PROXY_PREFIX
from api.http.security import (
    CSP_HEADER,
    CSP_NOTHING,
    HSTS_HEADERS,
    SECURITY_HEADERS,
)
from api.http.versions import DEPRECATED, SUNSET
from config import Settings
from sandbox import Sandbox
from tests.ports import free_port

ORIGIN = "https://a.example"
REQUESTS = [
    ("POST", "/api/v1/call/s/echo", {"a": "x"}),
    ("POST", "/api/v1/call/s/echo", {"a": "x" * 600}),
    ("POST", "/api/v1/call/s/echo", {"a": 1}),
    ("POST", "/api/call/s/echo", {"a": "x"}),
    ("POST", "/api/v1/call/s/failing", {}),
    ("POST", "/api/v1/call/s/unknown", {}),
    ("GET", "/api/v1/call/s/cached", None),
    ("HEAD", "/api/v1/call/s/cached", None),
    ("GET", "/api/v1/call/s/streamed", None),
    ("OPTIONS", "/api/v1/call/s/echo", None),
    ("GET", "/api/v1/proxy/s/anything", None),
    ("GET", "/api/v1/proxy/s/status/503", None),
    ("GET", "/api/v1/proxy/unknown/x", None),
    ("GET", "/api/v1/services", None),
    ("GET", "/api/v1/products", None),
    ("GET", "/api/products?limit=1", None),
    ("DELETE", "/api/v1/products/1", None),
    ("GET", "/api/v1/users?x=%ff", None),
    ("GET", "/healthz", None),
    ("HEAD", "/healthz", None),
    ("PUT", "/healthz", None),
    ("GET", "/", None),
    ("GET", "/openapi.json", None),
    ("GET", "/nowhere", None),
]
HEADERS: list[dict[str, str]] = [
    {},
    {"Accept-Encoding": "gzip"},
    {"Accept-Encoding": "br;q=0.5, zstd, *;q=0", "Origin": ORIGIN},
    {"Origin": "https://b.example", "Access-Control-Request-Method": "POST", "X-Request-ID": "r1"},
    {"Accept-Encoding": "gzip", "If-None-Match": "*", "X-Forwarded-Proto": "https"},
    {"Accept-Encoding": "gzip", "Range": "bytes=0-1", "If-Match": '"x"'},
    {"Authorization": "", "Origin": ORIGIN},
    {"Origin": ORIGIN, "Access-Control-Request-Private-Network": "true"},
    {"Accept": "text/csv", "Accept-Encoding": "br", "X-Request-ID": "two words"},
    {"Idempotency-Key": "k1"},
]


class PlainCompression(Compress):
    """Flask-Compress as it is, but for what is passed on as it came."""

    def after_request(self, response: Response | None) -> Response:
        if isinstance(response, StreamResponse):
            return response
        if response and "no-transform" in response.headers.get("Cache-Control", ""):
            return response
        if response:
            response.calculate_content_length()  # which reads what is generated
        return super().after_request(response)


def add_request_id(response: Response) -> Response:
    response.headers.setdefault("X-Request-ID", g.request_id)
    return response


def add_attempts(response: Response) -> Response:
    trace = g.trace
    if trace is None or request.blueprint == proxy_blueprint.name:
        return response
    response.headers["X-Attempts"] = str(len(trace.attempts))
    if trace.cache:
        response.headers["X-Cache"] = trace.cache
    if trace.age is not None:
        response.headers["Age"] = str(int(trace.age))
    if trace.replayed:
        response.headers["Idempotency-Replayed"] = "true"
    response.headers["Server-Timing"] = "total;dur=0.0, downstream;dur=0.0"
    return response


def add_rate_limit(response: Response) -> Response:
    permit = g.trace and g.trace.permit
    if permit and not getattr(response, "untouched", False):
        response.headers["RateLimit-Limit"] = str(permit.limit)
        response.headers["RateLimit-Remaining"] = str(permit.remaining)
        response.headers["RateLimit-Reset"] = str(math.ceil(permit.reset))
    return response


def add_deprecation(response: Response) -> Response:
    if "postern.unversioned" in request.environ:
        path = quote(request.root_path + request.path)
        response.headers["Deprecation"] = DEPRECATED
        response.headers["Sunset"] = SUNSET
        response.headers["Link"] = f'<{path}>; rel="successor-version"'
    return response


def add_security(response: Response) -> Response:
    if getattr(response, "untouched", False):
        return response
    for name, value in SECURITY_HEADERS:
        response.headers.add(name, value)
    if CSP_HEADER not in response.headers:
        response.headers.add(CSP_HEADER, CSP_NOTHING)
    if request.scheme == "https":
        for name, value in HSTS_HEADERS:
            response.headers.add(name, value)
    return response


@pytest.fixture(params=[(), (ORIGIN, "https://b.example")], ids=["one origin", "other origins"])
def clients(
    request: Any,
    make_app: Callable[[Settings], Flask],
    settings: Settings,
    tmp_path: Path,
) -> Iterator[tuple[FlaskClient, FlaskClient]]:
    """The service, and the same with a hook for each header."""
    with Sandbox(port=free_port()) as vendor:
        methods = {
            "echo": {"http": "POST /anything", "params": {"a": {"type": "string"}}},
            "failing": {"http": "POST /status/500"},
            "cached": {"http": "GET /anything", "cache": {"ttl": 60}},
            "streamed": {"http": "GET /anything", "stream": True},
        }
        service = {
            "base_url": vendor.url, "allow_private": True, "proxy": ["/*"], "methods": methods,
        }  # fmt: skip
        catalog = tmp_path / "catalog.yaml"
        catalog.write_text(json.dumps({"version": 1, "services": {"s": service}}))
        settings = replace(
            settings, catalog=str(catalog), cors_origins=request.param, trusted_proxies=1
        )
        reference = make_app(settings)
        use_hooks(reference, request.param)
        yield make_app(settings).test_client(), reference.test_client()


def vary_by_origin(response: Response) -> Response:
    if not request.path.startswith(PROXY_PREFIX):
        response.headers["Vary"] = ", ".join([*response.headers.getlist("Vary"), "Origin"])
    return response


def use_hooks(app: Any, origins: tuple[str, ...]) -> None:
    """Put hooks in the place of ours; the first that is registered is the last that is called."""
    app.finish_response = lambda response: response
    app.after_request_funcs[None].clear()
    for hook in (add_security, add_rate_limit, add_deprecation, add_request_id, add_attempts):
        app.after_request(hook)
    if origins:
        app.after_request(vary_by_origin)
        CORS(
            app,
            resources=NOT_PROXIED,
            origins=list(origins),
            expose_headers=EXPOSED_HEADERS,
            max_age=600,
            vary_header=False,
        )
    PlainCompression(app)


def test_the_answer_has_the_headers_that_hooks_would_give(
    clients: tuple[FlaskClient, FlaskClient], tokens: dict[str, dict[str, str]]
) -> None:
    for (verb, path, body), headers in product(REQUESTS, HEADERS):
        heads = [ask(client, verb, path, body, {**tokens["user"], **headers}) for client in clients]
        assert heads[0] == heads[1], (verb, path, headers)


def ask(
    client: FlaskClient, verb: str, path: str, body: Any, headers: dict[str, str]
) -> tuple[str, list[tuple[str, str]]]:
    answer = client.open(path, method=verb, json=body, headers=headers)
    length = answer.headers.get("Content-Length")
    if length is not None and verb != "HEAD" and answer.status_code != 304:
        assert int(length) == len(answer.data)
    pairs = [(name, comparable(name, value)) for name, value in answer.headers]
    # Every server adds a date.
    return answer.status, sorted(pair for pair in pairs if pair[0] != "Date")


def comparable(name: str, value: str) -> str:
    if name == "X-Request-ID":
        return re.sub("[0-9a-f]{32}", "ID", value)
    if name == "Content-Length":
        return "LENGTH"
    if name == "Allow":
        return ", ".join(sorted(value.split(", ")))
    return re.sub(r"dur=[0-9.]+", "dur=N", value)


def test_an_answer_whose_hooks_fail_has_them_too(
    make_app: Callable[[Settings], Flask], settings: Settings
) -> None:
    app = make_app(settings)

    @app.after_request
    def fail(response: Response) -> Response:
        raise RuntimeError

    answer = app.test_client().get("/healthz")

    assert answer.status_code == 500
    assert answer.headers[CSP_HEADER] == CSP_NOTHING
    assert answer.headers["X-Request-ID"]
