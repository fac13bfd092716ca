"""What a proxied answer says of its service's own addresses leads back to the gate::

headers = Rebaser(service.all_base_urls).headers(headers, base_url, path, gate_url)
rebase = BodyRebaser(service.all_base_urls).of_answer("GET", 200, headers, gate_url)
read = rebase.stream(response.read)
"""

from gateway.http.rebase.body import BodyRebase as BodyRebase
from gateway.http.rebase.body import BodyRebaser as BodyRebaser
from gateway.http.rebase.headers import Rebaser as Rebaser
