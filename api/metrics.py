"""``/metrics``, for Prometheus; and the count of every request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address, ip_network

from flask import Blueprint, Request, Response, request
from prometheus_client.core import GaugeMetricFamily, Metric
from sqlalchemy.exc import SQLAlchemyError

from api.auth.wiring import auth_services
from api.connections.flow import describe_connections
from api.context import app_state
from api.health import database_problem, store_answers
from api.http.forwarded import CONCEALED_KEY
from gateway.errors import Forbidden
from gateway.metrics import Metrics
from gateway.metrics.exposition import CONTENT_TYPE, render_metrics
from models.connections import CONNECTED

blueprint = Blueprint("metrics", __name__)
VERBS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return what all workers counted, as text; for loopback and METRICS_ALLOW."""
    if not _is_allowed():
        raise Forbidden(
            "Only loopback and METRICS_ALLOW see the metrics; have your network put into that."
        )
    text = render_metrics(app_state().gateway.metrics, _states())
    return Response(text, content_type=CONTENT_TYPE)


def count_request(counters: Metrics, incoming: Request, status: int, seconds: float) -> None:
    """Count a request. All paths without a route share one name, and so do all unknown verbs."""
    rule = "none"
    if incoming.url_rule:
        rule = incoming.url_rule.rule
    verb = incoming.method
    if verb not in VERBS:
        verb = "other"
    counters.request_counter(rule, verb, status)(seconds)


def _is_allowed() -> bool:
    """Return whether the caller may see the metrics. An unknown proxy is not loopback."""
    settings = app_state().settings
    if not settings.trusted_proxies and (
        "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    ):
        return False
    if request.environ[CONCEALED_KEY]:
        return False
    address = ip_address(request.environ["REMOTE_ADDR"])
    return address.is_loopback or any(
        address in ip_network(network, strict=False) for network in settings.metrics_allow
    )


def _connection_metric() -> Metric:
    metric = GaugeMetricFamily(
        "postern_connection_ok", "0 while an admin has to connect it (again).", labels=("service",)
    )
    for connection in describe_connections():
        metric.add_metric((connection["service"],), float(connection["state"] == CONNECTED))
    return metric


def _states() -> Iterator[Metric]:
    yield from app_state().gateway.states()
    yield GaugeMetricFamily(
        "postern_database_up", "Whether it answers.", float(not database_problem())
    )
    with suppress(SQLAlchemyError):
        unreadable = auth_services().apps.count_unreadable()
        yield GaugeMetricFamily(
            "postern_app_secrets_unreadable", "Apps whose secret no key opens.", float(unreadable)
        )
    with suppress(SQLAlchemyError):
        yield _connection_metric()
    if app_state().settings.redis_url:
        yield GaugeMetricFamily(
            "postern_redis_up", "Whether it answers.", float(store_answers(app_state().store))
        )
