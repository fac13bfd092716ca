"""How the services do, in numbers that a page can draw: what the console shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Response

from api.answers import envelope
from api.auth import token_required
from api.blueprint import Blueprint
from api.identity import identity
from api.parts import parts
from api.services import allowed_services
from gateway.policies.latency import percentile
from gateway.tally import Minute
from schemas.status import StatusOut

blueprint = Blueprint("status", __name__, description="How the services do.")

NOW = 5  # minutes that the numbers beside the charts are of, the one that runs among them
FAILED = ("gateway", "downstream")
FAULTS = {"none": "", "caller": "caller", "gateway": "gateway", "downstream": "downstream"}
_status = StatusOut()

Hour = Mapping[int, Minute]


@blueprint.get("/status")
@token_required
@blueprint.response(200, StatusOut)
def status() -> Response:
    """The catalog, and each service the caller may call over the last hour: all callers' calls, over all workers."""
    gateway = parts().gateway
    services, hour = [service for service, _ in allowed_services(gateway.catalog.services.values())], gateway.hour()
    breakers = gateway.breakers(services)
    by_service = {each.name: _hour_of(each.name, hour) for each in services}
    told = {
        "catalog": _catalog(),
        "faults": _faults(_sum(minute for own in by_service.values() for minute in own.values())),
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
    return envelope(_status.dump(told))


def _catalog() -> dict[str, Any]:
    state = parts().gateway.catalog_state
    taken_at = datetime.fromtimestamp(state.taken_at, UTC)
    return {"version": state.version, "taken_at": taken_at, "reloads": state.taken, "error": state.error}


def _hour_of(service: str, hour: Mapping[int, Mapping[str, Minute]]) -> Hour:
    return {ago: services[service] for ago, services in sorted(hour.items(), reverse=True) if service in services}


def _numbers(hour: Hour) -> dict[str, Any]:
    recent = _sum(minute for ago, minute in hour.items() if ago < NOW)
    calls, failed = _counts(recent)
    return {
        "calls": calls,
        "rate": round(calls / ((NOW - 1) * 60 + identity().clock.wall() % 60), 3),
        "failed": round(failed / calls, 4) if calls else 0.0,
        **_percentiles(recent),
        "minutes": [_point(ago, minute) for ago, minute in hour.items()],
    }


def _point(ago: int, minute: Minute) -> dict[str, Any]:
    calls, failed = _counts(minute)
    return {"ago": ago, "calls": calls, "failed": failed, **_percentiles(minute)}


def _percentiles(minute: Minute) -> dict[str, float | None]:
    shares = {"p50_ms": 0.5, "p99_ms": 0.99}
    found = {name: percentile(minute.latencies, share) for name, share in shares.items()}
    return {name: None if seconds is None else round(seconds * 1000, 1) for name, seconds in found.items()}


def _counts(minute: Minute) -> tuple[int, int]:
    """Calls, and those that the gateway or the service failed."""
    return minute.sources.total(), sum(minute.sources[each] for each in FAILED)


def _faults(minute: Minute) -> dict[str, int]:
    return {name: minute.sources[source] for name, source in FAULTS.items()}


def _sum(minutes: Iterable[Minute]) -> Minute:
    total = Minute()
    for minute in minutes:
        total.add(minute)
    return total
