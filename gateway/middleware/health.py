"""Refuse at once what a service that is down would have to refuse."""

from __future__ import annotations

from gateway.call import Call, Result
from gateway.catalog import Method
from gateway.errors import Unhealthy
from gateway.parts import Handler, Parts
from gateway.probes import verdicts_of


def health(method: Method, parts: Parts, following: Handler) -> Handler:
    """``Unhealthy`` while the probes say ``down``; only for services that are probed."""
    policy, service, verdicts = method.service.health, method.service.name, verdicts_of(parts)
    if policy is None:
        return following
    interval, now = policy.interval, parts.clock.now

    def handle(call: Call) -> Result:
        if not call.backup and verdicts.of(service) == "down":
            call.trace.note(now(), "probe", "the probes say down")
            raise Unhealthy(retry_after=interval)
        return following(call)

    return handle
