"""How the services do, in numbers that a page can draw: what the console shows."""

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
from api.http.responses import success_response
from gateway.telemetry.service_stats import Minute
from schemas.calls import StatusOut

blueprint = Blueprint("status", __name__, description="How the services do.")

NOW = 5  # minutes that the numbers beside the charts are of, the one that runs among them
FAULTS = {"none": "", "caller": "caller", "gateway": "gateway", "downstream": "downstream"}

Hour = Mapping[int, Minute]


@blueprint.get("/status")
@token_required
@blueprint.response(200, StatusOut)
def status() -> Response:
    """The catalog, and each service the caller may call over the last hour: all callers' calls, over all workers."""
    gateway = app_state().gateway
    services, hour = (
        [service for service, *_ in allowed_services(gateway.catalog.services.values())],
        gateway.hour(),
    )
    breakers = gateway.breakers(services)
    by_service = {each.name: _hour_of(each.name, hour) for each in services}
    told = {
        "catalog": _catalog(),
        "faults": _faults(by_service.values()),
        "services": [
            {
                "name": each.name,
                "health": gateway.health(each),
                "breaker": breakers[each.name],
                **_numbers(by_service[each.name]),
            }
            for each in services
        ],
    }
    return success_response(
        told
    )  # 60 points a service: a schema's dump would take most of the time


def _catalog() -> dict[str, Any]:
    state = app_state().gateway.catalog_state
    taken_at = datetime.fromtimestamp(state.loaded_at, UTC)
    return {
        "version": state.version,
        "taken_at": taken_at,
        "reloads": state.reloads,
        "error": state.error,
    }


def _hour_of(service: str, hour: Mapping[int, Mapping[str, Minute]]) -> Hour:
    return {
        ago: services[service]
        for ago, services in sorted(hour.items(), reverse=True)
        if service in services
    }


def _numbers(hour: Hour) -> dict[str, Any]:
    recent = Minute()
    for ago, minute in hour.items():
        if ago < NOW:
            recent.add(minute)
    calls, failed, half, most = recent.summary()
    return {
        "calls": calls,
        "rate": round(calls / ((NOW - 1) * 60 + auth_services().clock.wall() % 60), 3),
        "failed": round(failed / calls, 4) if calls else 0.0,
        "p50_ms": _ms(half),
        "p99_ms": _ms(most),
        "minutes": [_point(ago, *minute.summary()) for ago, minute in hour.items()],
    }


def _point(
    ago: int, calls: int, failed: int, half: float | None, most: float | None
) -> dict[str, Any]:
    return {"ago": ago, "calls": calls, "failed": failed, "p50_ms": _ms(half), "p99_ms": _ms(most)}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _faults(hours: Iterable[Hour]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for hour in hours:
        for minute in hour.values():
            total.update(minute.sources)
    return {name: total[source] for name, source in FAULTS.items()}
