"""How ``postern doctor`` reaches vendors: each is asked ``HEAD /`` once, without a credential."""

from __future__ import annotations

import math
import re
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

from cli.doctor.clocks import clock_finding
from cli.doctor.finding import Finding, ok, problem, warning
from config import Settings
from gateway.catalog.address_ranges import is_private
from gateway.catalog.egress_proxy import DIRECT, Proxy
from gateway.catalog.model import Catalog, Service, Tls
from gateway.clock import SystemClock
from gateway.errors import GatewayError
from gateway.http.connect.certificates import LiveContext
from gateway.http.connect.resolver import system_addresses
from gateway.http.connect.tunnel import open_tunnel
from gateway.http.outbound import Outbound

TIMEOUT_SECONDS = 5.0  # of each step
THREADS = 16
EXPIRY_DAYS = 21  # before which a certificate should have been renewed
MAX_HEAD_BYTES = 16384
DATE = re.compile(rb"^date:[ \t]*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
HOST = re.compile(r"[^\s{}/]+")


@dataclass(frozen=True)
class Place:
    """A host that services are at, and how it is reached.

    :param services: their names.
    """

    host: str
    port: int
    tls: Tls | None
    proxy: Proxy | None
    allow_private: bool
    services: tuple[str, ...] = field(default=(), compare=False)

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def check(self) -> str:
        return ", ".join(self.services)


class _TunnelSocket:
    """A socket as ``open_tunnel`` uses one; its own timeout bounds each step."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, data: bytes | memoryview, until: float) -> int:
        return self._sock.send(data)

    def receive(self, until: float) -> bytes:
        return self._sock.recv(1)  # nothing of what follows the proxy's answer


def vendor_findings(catalog: Catalog, settings: Settings) -> Iterator[Finding]:
    """Look at every place that a service or its tokens are at, several at once."""
    outbound = settings.outbound
    places = _places(catalog, outbound)
    with ThreadPoolExecutor(THREADS) as threads:
        for findings in threads.map(lambda place: list(_look(place, outbound)), places):
            yield from findings


def proxy_finding(settings: Settings) -> Finding:
    """Say whether the egress proxy of the settings takes connections."""
    proxy = settings.outbound.proxy
    if proxy is None or proxy == DIRECT:
        return ok("egress proxy", "none: calls leave directly")
    try:
        socket.create_connection((proxy.host, proxy.port), TIMEOUT_SECONDS).close()
    except OSError as error:
        return problem(
            "egress proxy",
            f"{proxy.host}:{proxy.port} takes no connection ({_reason(error)})",
            "see that it runs, and that EGRESS_PROXY names its host and port",
        )
    return ok("egress proxy", f"{proxy.host}:{proxy.port} takes connections")


def _places(catalog: Catalog, outbound: Outbound) -> list[Place]:
    """Return each place once; hosts that the caller chooses are left out."""
    services: dict[Place, dict[str, None]] = {}  # names once, in their order
    for service in catalog.services.values():
        for url in map(urlsplit, (*service.all_base_urls, *service.token_urls)):
            if url.scheme in ("http", "https") and HOST.fullmatch(url.hostname or ""):
                services.setdefault(_place(service, url, outbound), {})[service.name] = None
    return [replace(place, services=tuple(names)) for place, names in services.items()]


def _place(service: Service, url: SplitResult, outbound: Outbound) -> Place:
    host = url.hostname or ""
    tls = service.tls if url.scheme == "https" else None
    port = url.port or (443 if tls else 80)
    proxy = service.egress_proxy
    if proxy is None and (host, port) not in outbound.no_proxy:
        proxy = outbound.proxy
    if proxy == DIRECT:
        proxy = None
    return Place(host, port, tls, proxy, service.allow_private)


def _look(place: Place, outbound: Outbound) -> Iterator[Finding]:
    """Resolve, connect and shake hands; stop at the first that fails."""
    if place.proxy is None and (trouble := _name_trouble(place)):
        yield trouble
        return
    try:
        with _connect(place, outbound) as sock:
            certificate = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
            before = time.time()
            head = _ask(sock, place)
            yield _reached(place, certificate)
            if finding := _clock(place, head, before):
                yield finding
    except ssl.SSLCertVerificationError as error:
        yield problem(
            place.check,
            f"{place.name}: its certificate is not trusted ({error.verify_message})",
            "see that base_url has the certificate's name; of an authority of your own, name the"
            " file in tls.ca",
        )
    except GatewayError as error:
        yield problem(
            place.check, f"{place.name}: {error.detail or error}", "let the egress proxy pass it"
        )
    except OSError as error:
        yield problem(
            place.check,
            f"{place.name}: cannot be reached ({_reason(error)})",
            "see that the vendor is up, and that a firewall lets calls out; where only a proxy may,"
            " set EGRESS_PROXY",
        )


def _name_trouble(place: Place) -> Finding | None:
    try:
        addresses = system_addresses(place.host)
    except (OSError, UnicodeError) as error:
        return problem(
            place.check,
            f"{place.host}: has no address ({_reason(error)})",
            "see that base_url is written right, and that this machine's DNS answers",
        )
    hosts = sorted({address.host for address in addresses})
    if not place.allow_private and all(map(is_private, hosts)):
        return problem(
            place.check,
            f"{place.host}: is a private address ({', '.join(hosts)}), which calls are refused to",
            "if it is meant, write allow_private: true into its catalog entry",
        )
    return None


def _connect(place: Place, outbound: Outbound) -> socket.socket:
    """Return a connection to the place, by its proxy and with TLS where it has them.

    :raises OSError: it cannot be reached.
    :raises GatewayError: the proxy refuses.
    """
    first = (place.proxy.host, place.proxy.port) if place.proxy else (place.host, place.port)
    sock = socket.create_connection(first, TIMEOUT_SECONDS)
    try:
        if place.proxy and place.tls:
            open_tunnel(_TunnelSocket(sock), place.proxy, place.host, place.port, math.inf)
        if not place.tls:
            return sock
        context = LiveContext(place.tls, outbound.trust, SystemClock(), lambda text: None).get()
        return context.wrap_socket(sock, server_hostname=place.host)
    except BaseException:
        sock.close()
        raise


def _ask(sock: socket.socket, place: Place) -> bytes:
    """Return the head of the answer to ``HEAD /``; as much as came of it."""
    target = f"http://{place.name}/" if place.proxy and not place.tls else "/"
    proof = place.proxy.header if place.proxy and not place.tls else ""
    request = f"HEAD {target} HTTP/1.1\r\nHost: {place.name}\r\n{proof}Connection: close\r\n\r\n"
    head = b""
    try:
        sock.sendall(request.encode("latin-1"))
        while b"\r\n\r\n" not in head and len(head) < MAX_HEAD_BYTES:
            piece = sock.recv(MAX_HEAD_BYTES)
            if not piece:
                break
            head += piece
    except OSError:  # it was reached; what it says to this is its own matter
        return head
    return head


def _reached(place: Place, certificate: object) -> Finding:
    way = " by the egress proxy" if place.proxy else ""
    if not isinstance(certificate, dict) or "notAfter" not in certificate:
        return ok(place.check, f"{place.name}: reached{way}")
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // 86400)
    message = f"{place.name}: reached{way}; its certificate ends in {days} days"
    if days < EXPIRY_DAYS:
        return warning(place.check, message, "ask the vendor whether it will be renewed in time")
    return ok(place.check, message)


def _clock(place: Place, head: bytes, before: float) -> Finding | None:
    """Compare the answer's Date, whole seconds, with our clock."""
    match = DATE.search(head)
    if match is None:
        return None
    try:
        other_time = parsedate_to_datetime(match[1].decode()).timestamp()
    except ValueError:
        return None
    return clock_finding(place.host, other_time, before, time.time())


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
