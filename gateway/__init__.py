"""HTTP out: services named in a catalog, called through one chain. Usable without Flask.

gateway = Gateway(load_catalog(text, "services.yaml", os.environ), runtime)
gateway.call(Call("weather", "now", {}, caller=Caller("user:7"), request_id="r-1")).data
"""

from gateway.errors import GatewayError
from gateway.gateway import Gateway
from gateway.messages import Call, Caller, Result

__all__ = ["Call", "Caller", "Gateway", "GatewayError", "Result"]
