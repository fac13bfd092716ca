"""Certificates and keys in files: read anew when they change, with real TLS servers that demand them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from gateway import Gateway
from gateway.catalog.loader import CatalogError, load_catalog
from gateway.clock import SystemClock
from gateway.errors import ConnectFailed
from gateway.http.connect.certificates import CHECK_SECONDS, Trust
from gateway.http.idle_connections import MAX_AGE_SECONDS
from gateway.http.outbound import Outbound
from tests.gateway.fakes import Gate, LeapingClock, Lines, make_runtime, service
from tests.gateway.http.connect.test_gateway_tls import TlsWire, make_pem, refused, secure

Open = Callable[..., Gate]
LOCALHOST = x509.DNSName("localhost")


def local(server: TlsWire) -> str:
    return server.url.replace("127.0.0.1", "localhost")


def common_names(server: TlsWire) -> list[str]:
    return [peer["subject"][0][0][1] for peer in server.peers]


def both(*files: Path) -> Path:
    """One file of the certificates of several."""
    bundle = files[0].parent / "both.pem"
    bundle.write_bytes(b"".join(file.read_bytes() for file in files))
    return bundle


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    return make_pem(tmp_path / "server.pem", LOCALHOST)


def test_a_renewed_client_certificate_is_shown_without_a_restart(
    open_gate: Open, pem: Path, tmp_path: Path
) -> None:
    old = make_pem(tmp_path / "old.pem", LOCALHOST)
    new = make_pem(tmp_path / "new.pem", LOCALHOST)
    own_file = tmp_path / "mine.pem"
    shutil.copy(old, own_file)
    with TlsWire(pem, client_ca=both(old, new)) as server:
        clock = LeapingClock()
        at = open_gate(secure(local(server), pem, cert=str(own_file)), clock=clock)
        at.ask()
        shutil.copy(new, tmp_path / "draft.pem")
        (tmp_path / "draft.pem").rename(own_file)
        clock.ahead += CHECK_SECONDS
        at.ask()
        assert common_names(server) == ["old"], "a connection that is open is used on"
        clock.ahead += MAX_AGE_SECONDS
        at.ask()
        assert common_names(server) == ["old", "new"], "but not for ever"


def test_files_that_are_half_written_leave_the_old_ones_in_use_and_are_told_of(
    open_gate: Open, pem: Path, tmp_path: Path
) -> None:
    old = make_pem(tmp_path / "old.pem", LOCALHOST)
    new = make_pem(tmp_path / "new.pem", LOCALHOST)
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    shutil.copy(old, cert)
    shutil.copy(old, key)
    with TlsWire(pem, client_ca=both(old, new)) as server:
        clock = LeapingClock()
        at = open_gate(secure(local(server), pem, cert=str(cert), key=str(key)), clock=clock)
        at.ask()
        for content in (
            b"",
            new.read_bytes()[:200],
            new.read_bytes(),
        ):  # as cp writes it; the key is still the old one
            cert.write_bytes(content)
            clock.ahead += MAX_AGE_SECONDS
            at.ask()
        cert.unlink()
        clock.ahead += MAX_AGE_SECONDS
        at.ask()
        os.mkfifo(cert)  # for whose writer nobody waits
        clock.ahead += MAX_AGE_SECONDS
        at.ask()
        cert.unlink()
        assert set(common_names(server)) == {"old"}
        warnings = [line for line in at.log.events if line["event"] == "tls"]
        assert len(warnings) == 5
        assert all(
            str(cert) in line["why"] and "the ones before stay" in line["why"] for line in warnings
        )
        shutil.copy(new, cert)
        shutil.copy(new, key)
        clock.ahead += MAX_AGE_SECONDS
        at.ask()
        assert common_names(server)[-1] == "new"


def test_a_renewed_authority_is_trusted_without_a_restart(
    open_gate: Open, pem: Path, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    shutil.copy(make_pem(tmp_path / "other.pem", LOCALHOST), ca)
    clock = LeapingClock()
    with TlsWire(pem) as server:
        at = open_gate(secure(local(server), ca), clock=clock)
        assert type(refused(at)) is ConnectFailed
        shutil.copy(pem, ca)
        clock.ahead += CHECK_SECONDS
        assert at.ask() == {"tls": True}


def test_who_is_trusted_by_a_setting_counts_for_services_without_an_authority_of_their_own(
    open_gate: Open, pem: Path, tmp_path: Path
) -> None:
    other = make_pem(tmp_path / "other.pem", LOCALHOST)
    folder = tmp_path / "hashed"
    folder.mkdir()
    (folder / f"{subject_hash(pem)}.0").write_bytes(pem.read_bytes())
    with TlsWire(pem) as server:
        for trust in (Trust(str(pem)), Trust(str(other), str(folder)), Trust(None, str(folder))):
            outbound = Outbound(trust=trust)
            assert open_gate(secure(local(server)), outbound=outbound).ask() == {"tls": True}
            assert (
                type(refused(open_gate(secure(local(server), other), outbound=outbound)))
                is ConnectFailed
            )
        assert type(refused(open_gate(secure(local(server))))) is ConnectFailed


def subject_hash(file: Path) -> str:
    """As ``openssl x509 -subject_hash``: of the name as UTF-8 in small letters."""
    name = x509.load_pem_x509_certificate(
        file.read_bytes().partition(b"-----END PRIVATE KEY-----\n")[2]
    ).subject
    canonical = x509.Name(
        [x509.NameAttribute(attribute.oid, str(attribute.value).lower()) for attribute in name]
    ).public_bytes()
    content = canonical[2:]  # less the outer SEQUENCE's tag and length
    return hashlib.sha1(content, usedforsecurity=False).digest()[:4][::-1].hex()


def gate_of(catalog: dict[str, Any]) -> Gate:
    log, clock = Lines(), SystemClock()
    parts = make_runtime(clock=clock, log=log)
    return Gate(
        Gateway(load_catalog(json.dumps({"version": 1, **catalog}), "test.yaml", {}), parts),
        log,
        parts.masker,
        clock,
    )


def test_an_authority_in_defaults_counts_for_all_services_but_those_with_their_own(
    pem: Path, tmp_path: Path
) -> None:
    other = make_pem(tmp_path / "other.pem", LOCALHOST)
    own_file = make_pem(tmp_path / "mine.pem", LOCALHOST)
    with TlsWire(pem, client_ca=own_file) as server:
        defaults = {"tls": {"ca": str(pem)}}
        services = {
            "s": service(
                local(server), tls={"cert": str(own_file)}, methods={"m": {"http": "GET /"}}
            )
        }
        assert gate_of({"defaults": defaults, "services": services}).ask() == {"tls": True}
        services = secure(local(server), other)
        assert type(refused(gate_of({"defaults": defaults, "services": services}))) is ConnectFailed
    with pytest.raises(CatalogError, match=r"defaults\.tls\.ca: must name a PEM file"):
        gate_of({"defaults": {"tls": {"ca": "/no/such"}}, "services": services})
