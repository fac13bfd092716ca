"""One attempt whose bodies pass while they come.

It is of a method that says ``stream``, or of a proxied request.
"""

from gateway.passthrough.proxied import proxy_exchange as proxy_exchange
from gateway.passthrough.streamed import stream_exchange as stream_exchange
