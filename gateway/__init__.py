"""HTTP out: services named in a catalog, called through one chain. Usable without Flask."""

from gateway.errors import GatewayError
from gateway.gateway import Gateway
from gateway.messages import Call, Caller, Result

__all__ = ["Call", "Caller", "Gateway", "GatewayError", "Result"]
