"""HTTP out: services named in a catalog, called through one chain. Usable without Flask."""

from gateway.call import Call, Caller, Result
from gateway.errors import GatewayError
from gateway.gateway import Gateway

__all__ = ["Call", "Caller", "Gateway", "GatewayError", "Result"]
