"""The state of the services in numbers, which the console draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Response

from api.auth import token_required
from api.auth.wiring import auth_services
from api.calls.services import allowed_services
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.etags import etag_response
from gateway.telemetry.service_stats import Minute
from schemas.calls import StatusOut

blueprint = Blueprint("status", __name__, description="How the services do.")

RECENT_MINUTES = 5  # that the numbers beside the charts cover, the running one included
#: Of the statistics; the first is called none.
FAULTS = ("", "rejected", "caller", "gateway", "downstream")

Hour = Mapping[int, Minute]


@blueprint.get("/status")
@token_required
@blueprint.response(200, StatusOut)
def status() -> Response:
    """The catalog, and each service the caller may call over the last hour: all callers' calls, over all workers."""  # noqa: E501  # the summary in the OpenAPI file
    gateway = app_state().gateway
    services = [service for service, *_ in allowed_services(gateway.catalog.services.values())]
    breakers = gateway.breakers(services)
    hour = gateway.hour()
    by_service = {service.name: _hour_of(service.name, hour) for service in services}
    data = {
        "catalog": _describe_catalog(),
        "faults": _count_faults(by_service.values()),
        "services": [
            {
                "name": service.name,
                "health": gateway.health(service),
                "breaker": breakers[service.name],
                **_summarize(by_service[service.name]),
            }
            for service in services
        ],
    }
    # Without the schema's dump, which would take most of the time: there are 60 points a service.
    return etag_response(data)


def _describe_catalog() -> dict[str, Any]:
    state = app_state().gateway.catalog_state
    return {
        "version": state.version,
        "taken_at": datetime.fromtimestamp(state.loaded_at, UTC),
        "reloads": state.reloads,
        "error": state.error,
    }


def _hour_of(service: str, hour: Mapping[int, Mapping[str, Minute]]) -> Hour:
    return {
        ago: services[service]
        for ago, services in sorted(hour.items(), reverse=True)
        if service in services
    }


def _summarize(hour: Hour) -> dict[str, Any]:
    recent = Minute()
    for ago, minute in hour.items():
        if ago < RECENT_MINUTES:
            recent.add(minute)
    calls, failed, p50, p99 = recent.summary()
    seconds = (RECENT_MINUTES - 1) * 60 + auth_services().clock.wall() % 60
    failed_share = failed / calls if calls else 0.0
    return {
        "calls": calls,
        "rate": round(calls / seconds, 3),
        "failed": round(failed_share, 4),
        "p50_ms": _milliseconds(p50),
        "p99_ms": _milliseconds(p99),
        "minutes": [_point(ago, *minute.summary()) for ago, minute in hour.items()],
    }


def _point(
    ago: int, calls: int, failed: int, p50: float | None, p99: float | None
) -> dict[str, Any]:
    return {
        "ago": ago,
        "calls": calls,
        "failed": failed,
        "p50_ms": _milliseconds(p50),
        "p99_ms": _milliseconds(p99),
    }


def _milliseconds(seconds: float | None) -> float | None:
    if seconds is None:
        return None
    return round(seconds * 1000, 1)


def _count_faults(hours: Iterable[Hour]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for hour in hours:
        for minute in hour.values():
            total.update(minute.faults)
    return {fault or "none": total[fault] for fault in FAULTS}
