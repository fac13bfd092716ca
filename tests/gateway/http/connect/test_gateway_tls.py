"""TLS: who cannot prove its name gets not a byte of the request."""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.clock import SystemClock
from gateway.errors import ConnectFailed, ConnectTimeout, GatewayError, ReadTimeout
from gateway.http.connect.resolver import Address, Resolver, system_addresses
from tests.gateway.fakes import Gate, Wire, answer, service
from tests.ports import free_port

Open = Callable[..., Gate]


def make_pem(file: Path, name: x509.GeneralName) -> Path:
    """A self-signed certificate and its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, file.stem)])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([name]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pem(
        tmp_path_factory.mktemp("tls") / "server.pem",
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    )


@dataclass
class TlsWire:
    """Answers every request with ``{"tls": true}``; with ``reads=False`` it shakes hands and then does nothing."""

    pem: Path
    client_ca: Path | None = None
    reads: bool = True
    at: tuple[str, int] = ("127.0.0.1", 0)
    names: list[str | None] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    peers: list[Any] = field(default_factory=list)
    connections: int = 0

    def __enter__(self) -> TlsWire:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.pem)
        if self.client_ca:
            self._context.verify_mode = ssl.CERT_REQUIRED
            self._context.load_verify_locations(self.client_ca)
        self._context.sni_callback = lambda sock, name, context: self.names.append(name)
        host, port = self.at
        self._listener = socket.create_server((host, port or free_port()))
        self.port = self._listener.getsockname()[1]
        self.url = f"https://127.0.0.1:{self.port}"
        self._done = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
            self._acceptor.join(30)  # or it accepts at whatever gets the descriptor next
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(60)
        with suppress(OSError), raw, self._context.wrap_socket(raw, server_side=True) as sock:
            self.peers.append(sock.getpeercert())
            while not self.reads:
                if self._done.wait(5):
                    return
            while data := sock.recv(65536):
                self.heard.append(data)
                sock.sendall(answer(b'{"tls":true}'))


def secure(
    url: str, ca: Path | None = None, http: str = "GET /", method: Any = None, **tls: str
) -> dict[str, Any]:
    keys = {**({"ca": str(ca)} if ca else {}), **tls}
    return {"s": service(url, tls=keys, methods={"m": {"http": http, **(method or {})}})}


def refused(gate: Gate) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        gate.ask()
    return caught.value


def test_a_certificate_from_the_declared_ca_is_trusted_and_the_connection_kept(
    open_gate: Open, pem: Path
) -> None:
    with TlsWire(pem) as server:
        gate = open_gate(secure(server.url, pem))
        assert [gate.ask(), gate.ask()] == [{"tls": True}, {"tls": True}]
        assert server.connections == 1


def test_a_self_signed_certificate_gets_not_a_byte(open_gate: Open, pem: Path) -> None:
    with TlsWire(pem) as server:
        error = refused(open_gate(secure(server.url)))
        assert (type(error), error.code) == (ConnectFailed, -1003)
        assert server.heard == []


def test_a_certificate_for_another_name_gets_not_a_byte(open_gate: Open, tmp_path: Path) -> None:
    other = make_pem(tmp_path / "other.pem", x509.DNSName("other.example"))
    with TlsWire(other) as server:
        error = refused(open_gate(secure(server.url, other)))
        assert type(error) is ConnectFailed
        assert server.heard == []


def test_tls_to_a_port_that_speaks_plain_http_is_a_failed_connect(open_gate: Open) -> None:
    with Wire([], greeting=answer(b"", "400 Bad Request")) as server:
        assert (
            type(refused(open_gate(secure(server.url.replace("http:", "https:"))))) is ConnectFailed
        )


def test_plain_http_to_a_tls_port_does_not_succeed(open_gate: Open, pem: Path) -> None:
    with TlsWire(pem) as server:
        assert refused(open_gate(secure(server.url.replace("https:", "http:")))).code in (
            -1003,
            -1005,
        )


def test_a_handshake_that_stalls_ends_at_the_connect_timeout(open_gate: Open) -> None:
    with Wire([]) as server:
        url = server.url.replace("http:", "https:")
        began = time.monotonic()
        error = refused(open_gate(secure(url, method={"timeout": {"connect": 0.1}})))
    assert type(error) is ConnectTimeout
    assert 0.1 <= time.monotonic() - began < 18  # the read timeout is 20


def test_a_client_certificate_is_shown_to_who_asks(
    open_gate: Open, pem: Path, tmp_path: Path
) -> None:
    own_file = make_pem(tmp_path / "client.pem", x509.DNSName("client.example"))
    with TlsWire(pem, client_ca=own_file) as server:
        assert open_gate(secure(server.url, pem, cert=str(own_file))).ask() == {"tls": True}
        assert server.peers[0]["subject"] == ((("commonName", "client"),),)
        assert refused(open_gate(secure(server.url, pem))).code in (-1003, -1005)


def test_post_is_not_sent_again_when_a_part_of_it_went_out_over_tls(
    open_gate: Open, pem: Path
) -> None:
    with TlsWire(pem, reads=False) as server:
        method = {
            "params": {"t": {"type": "string"}},
            "timeout": {"read": 2},
            "retry": {"times": 1, "backoff": 0.001, "on": ["connect", "timeout"]},
        }
        gate = open_gate(secure(server.url, pem, "POST /", method))
        with pytest.raises(ReadTimeout):
            gate.ask("m", {"t": "x" * 8_000_000})
        assert len(gate.trace.attempts) == 1


def test_a_host_that_ends_in_a_dot_is_looked_up_with_it_and_verified_without(
    open_gate: Open, tmp_path: Path
) -> None:
    server_names = []

    def look_up(host: str) -> list[Address]:
        server_names.append(host)
        return system_addresses("127.0.0.1")

    pem = make_pem(tmp_path / "fast.pem", x509.DNSName("fast.example"))
    with TlsWire(pem) as server:
        gate = open_gate(
            secure(f"https://fast.example.:{server.port}", pem),
            resolver=Resolver(SystemClock(), look_up),
        )
        assert gate.ask() == {"tls": True}
        assert server_names == ["fast.example."]
        assert server.names == ["fast.example"]
        assert f"Host: fast.example.:{server.port}\r\n".encode() in server.heard[0]
