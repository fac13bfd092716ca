"""How calls leave: a value that settings make and the client takes."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.catalog.egress_proxy import NoProxy, Proxy
from gateway.http.connect.certificates import Trust


@dataclass(frozen=True)
class Outbound:
    """How calls leave, for all services that say nothing else."""

    trust: Trust = field(default_factory=Trust)
    proxy: Proxy | None = None
    no_proxy: NoProxy = field(default_factory=NoProxy)
