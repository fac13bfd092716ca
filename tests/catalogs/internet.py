"""All the vendors' hosts on one loopback port: a proxy that keeps every tunnel to itself.

The gateway's egress proxy is set to it, so that catalogs run as they are written, whatever host a
request is for, over TLS with the host's name checked.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.catalog.egress_proxy import Proxy
from gateway.http.connect.certificates import Trust
from gateway.http.outbound import Outbound
from sandbox.messages import Request
from sandbox.server import Server
from sandbox.wire import ClientConnection
from tests.catalogs.vendor import Answer
from tests.ports import free_port


@dataclass
class Internet:
    """Serves within a ``with``.

    :param hosts: whose certificate it has.
    :param fixed: what answers by verb and URL, such as a token endpoint's.
    :ivar answers: what answers the other requests, in order; the last of them again and again.
    :ivar received: URL without query, and request, in order.
    """

    folder: Path
    hosts: Iterable[str]
    fixed: dict[str, Answer] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    received: list[tuple[str, Request]] = field(default_factory=list)

    def __enter__(self) -> Internet:
        file = self.folder / "hosts.pem"
        file.write_bytes(certificate(sorted(self.hosts)))
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(file)
        self._server = Server("127.0.0.1", free_port(), self._serve)
        self._server.start()
        proxy = Proxy.read(f"http://127.0.0.1:{self._server.port}")
        self.outbound = Outbound(Trust(str(file)), proxy)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def _serve(self, connection: ClientConnection) -> None:
        host = _read_connect(connection)
        connection.sock.sendall(b"HTTP/1.1 200 ClientConnection established\r\n\r\n")
        with self._context.wrap_socket(connection.sock, server_side=True) as sock:
            tunnel = ClientConnection(sock, threading.Event())
            while (request := tunnel.read_request()) is not None:
                url = f"https://{host}{request.path}"
                self.received.append((url, request))
                answer = self.fixed.get(f"{request.verb} {url}") or self._next_answer()
                tunnel.send(answer(request), request.verb)

    def _next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def _read_connect(connection: ClientConnection) -> str:
    """Return the host that a tunnel is asked for."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        received = connection.sock.recv(65536)
        if not received:
            raise ConnectionAbortedError
        head += received
    verb, place, _ = head.decode("ascii").split(" ", 2)
    host, _, port = place.rpartition(":")
    assert (verb, port) == ("CONNECT", "443"), head
    return host


def certificate(hosts: list[str]) -> bytes:
    """Return PEM of a new key and of its own certificate for these hosts."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "every vendor")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + signed.public_bytes(Encoding.PEM)
