"""From single answers to a verdict that does not flap."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.catalog import Health


@dataclass(frozen=True, slots=True)
class Standing:
    """What a service's probes have come to.

    :param verdict: ``up``, ``down`` or ``unknown``.
    :param run: how many of the last answers were alike: above 0 healthy ones, below 0 others.
    """

    verdict: str = "unknown"
    run: int = 0

    def after(self, healthy: bool, policy: Health) -> Standing:
        """One answer more. The first healthy one ends ``unknown``: nothing speaks against it."""
        run = max(self.run, 0) + 1 if healthy else min(self.run, 0) - 1
        if run >= policy.healthy_after or (healthy and self.verdict == "unknown"):
            return Standing("up", run)
        return Standing("down" if -run >= policy.unhealthy_after else self.verdict, run)
