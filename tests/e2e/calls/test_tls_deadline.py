"""Over TLS, too, the deadline holds to the last byte: under gevent each wait of a socket would begin its timeout anew."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from cryptography import x509

from tests.e2e.live import Live, wait_for
from tests.gateway.http.connect.test_gateway_tls import TlsWire, make_pem
from tests.ports import free_port

DRIP_SECONDS = 0.5  # between two bytes of so many that they take minutes
CATALOG = """
version: 1
services:
  drip:
    base_url: https://127.0.0.1:{port}
    allow_private: true
    tls: {{ca: {pem}}}
    timeout: {{connect: 60, read: {read}}}
    deadline: {deadline}
    retry: {{times: 0}}
    proxy: true
    methods: {{get: {{http: GET /}}}}
"""


class Dripping:
    """Passes on what a TLS server says byte by byte, each after a pause: from the handshake on, or from the answer on."""

    def __init__(self, pem: Path, from_the_first_byte: bool) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pem)
        self._at_once = from_the_first_byte
        self._listener = socket.create_server(("127.0.0.1", free_port()))
        self.port = self._listener.getsockname()[1]
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept(), which close() does not
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=(client,), daemon=True).start()

    def _talk(self, client: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self._context.wrap_bio(incoming, outgoing, server_side=True)
        with client, suppress(OSError):
            while not self._step(tls.do_handshake):
                self._send(client, outgoing.read(), self._at_once)
                incoming.write(client.recv(65536))
            self._send(client, outgoing.read(), self._at_once)
            while not self._step(lambda: tls.read(65536)):
                incoming.write(client.recv(65536))
            tls.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b"1" * 200)
            self._send(client, outgoing.read(), True)

    @staticmethod
    def _step(work) -> bool:
        try:
            work()
        except ssl.SSLWantReadError:
            return False
        return True

    def _send(self, client: socket.socket, data: bytes, drips: bool) -> None:
        if not drips:
            client.sendall(data)
            return
        for byte in data:
            client.sendall(bytes([byte]))
            self._over.wait(DRIP_SECONDS)


@pytest.mark.parametrize("from_the_first_byte", [True, False], ids=["handshake", "answer"])
def test_a_service_that_drips_tls_cannot_outlast_the_deadline(
    tmp_path: Path, from_the_first_byte: bool
) -> None:
    pem = make_pem(tmp_path / "server.pem", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    dripping = Dripping(pem, from_the_first_byte)
    live = Live(tmp_path, CATALOG.format(port=dripping.port, pem=pem, read=60, deadline=1)).start()
    try:
        live.token()
        answer = live.call("drip.get")
    finally:
        live.stop()
        dripping.close()

    assert (answer.status_code, answer.json()["code"]) == (504, -1011), answer.text


def test_a_service_that_stops_reading_over_tls_ends_at_its_timeout_and_holds_up_nobody(
    tmp_path: Path,
) -> None:
    pem = make_pem(tmp_path / "server.pem", x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    with TlsWire(pem, reads=False) as server, ThreadPoolExecutor(1) as pool:
        live = Live(
            tmp_path, CATALOG.format(port=server.port, pem=pem, read=1, deadline=25)
        ).start()
        try:
            live.token()
            upload = pool.submit(live.post, "/api/v1/proxy/drip/x", data=b"x" * 32_000_000)
            wait_for(lambda: server.peers)
            others = [requests.get(f"{live.url}/healthz", timeout=30).status_code for _ in range(3)]
            answer = upload.result()
        finally:
            live.stop()

    assert others == [200, 200, 200]
    assert answer.json()["code"] == -1001, answer.text
