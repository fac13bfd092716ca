"""Services whose instances a registry knows: which of them a call goes to, and the way there.

channel = DiscoveredChannel(base_url, directory.instances(base_url), make_pool, clock)
next_url = channel.rotation((base_url,))  # next_url() -> "http://10.0.0.7:8080"
"""

from gateway.http.discovered.channel import DiscoveredChannel as DiscoveredChannel
from gateway.http.discovered.instances import Directory as Directory
from gateway.http.discovered.instances import InstanceCount as InstanceCount
from gateway.http.discovered.instances import Instances as Instances
