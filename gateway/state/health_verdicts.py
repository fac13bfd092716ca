"""What the health probes have come to: from single answers to a verdict that does not flap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.catalog.model import Health


@dataclass(frozen=True, slots=True)
class ProbeHistory:
    """The verdict on a service, and the probes that may change it.

    :param verdict: ``up``, ``down`` or ``unknown``.
    :param streak: how many of the last answers were alike: above 0 healthy ones, below 0 others.
    """

    verdict: str = "unknown"
    streak: int = 0

    def after(self, healthy: bool, policy: Health) -> ProbeHistory:
        """Return the history with one answer more; the first healthy one ends ``unknown``."""
        if healthy:
            streak = max(self.streak, 0) + 1
            if streak >= policy.healthy_after or self.verdict == "unknown":
                return ProbeHistory("up", streak)
            return ProbeHistory(self.verdict, streak)
        streak = min(self.streak, 0) - 1
        if -streak >= policy.unhealthy_after:
            return ProbeHistory("down", streak)
        return ProbeHistory(self.verdict, streak)


class HealthVerdicts:
    """The verdicts that this worker knows, by service; replaced whole."""

    def __init__(self) -> None:
        self._verdicts: Mapping[str, str] = {}

    def of(self, service: str) -> str:
        """Return ``up``, ``down`` or ``unknown``."""
        return self._verdicts.get(service, "unknown")

    def replace(self, verdicts: Mapping[str, str]) -> None:
        self._verdicts = verdicts
