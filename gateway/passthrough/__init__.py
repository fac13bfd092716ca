"""One attempt whose bodies pass while they come: of a method with ``stream``, or proxied."""

from gateway.passthrough.proxied import proxy_exchange as proxy_exchange
from gateway.passthrough.streamed import stream_exchange as stream_exchange
