"""``/metrics``, for Prometheus; and the count of every request."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from flask import Blueprint, Request, Response, request
from prometheus_client.core import GaugeMetricFamily, Metric

from api.context import app_state
from api.health import database_problem, store_answers
from api.http.forwarded import CONCEALED_KEY
from gateway.errors import Forbidden
from gateway.metrics import CONTENT_TYPE, Metrics

blueprint = Blueprint("metrics", __name__)
VERBS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


@blueprint.get("/metrics")
def metrics() -> Response:
    """What all workers counted, as text; for loopback and METRICS_ALLOW."""
    if not _may_look():
        raise Forbidden("Only loopback and METRICS_ALLOW see the metrics.")
    return Response(app_state().gateway.metrics.text(_states()), content_type=CONTENT_TYPE)


def count_request(counts: Metrics, asked: Request, status: int, seconds: float) -> None:
    """One more. A path that is no route and a verb that is none have one name each."""
    rule = asked.url_rule.rule if asked.url_rule else "none"
    verb = asked.method if asked.method in VERBS else "other"
    counts.count_request(rule, verb, status)(seconds)


def _may_look() -> bool:
    """What comes through a proxy that is not in TRUSTED_PROXIES comes from who knows where, not from loopback."""
    settings = app_state().settings
    if not settings.trusted_proxies and (
        "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    ):
        return False
    if request.environ[CONCEALED_KEY]:
        return False
    address = ip_address(request.environ["REMOTE_ADDR"])
    return address.is_loopback or any(
        address in ip_network(each, strict=False) for each in settings.metrics_allow
    )


def _states() -> Iterator[Metric]:
    yield from app_state().gateway.states()
    yield GaugeMetricFamily(
        "postern_database_up", "Whether it answers.", float(not database_problem())
    )
    if app_state().settings.redis_url:
        yield GaugeMetricFamily(
            "postern_redis_up", "Whether it answers.", float(store_answers(app_state().store))
        )
