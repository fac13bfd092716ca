"""HTTP out: services named in a catalog, called through one chain. Usable without Flask.

gateway = Gateway(load_catalog(text, "services.yaml", os.environ), runtime)
gateway.call(Call("weather", "now", {}, caller=Caller("user:7"), request_id="r-1")).data
"""

from typing import TYPE_CHECKING, Any

from gateway.errors import GatewayError as GatewayError
from gateway.messages import Call as Call
from gateway.messages import Caller as Caller
from gateway.messages import Result as Result

if TYPE_CHECKING:
    from gateway.gateway import Gateway as Gateway


def __getattr__(name: str) -> Any:
    """Import the gateway once it is asked for: whoever needs one of its parts need not wait."""
    if name != "Gateway":
        raise AttributeError(name)
    from gateway.gateway import Gateway

    return Gateway
