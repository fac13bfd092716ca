"""Certificates for tests, made of the sandbox's keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_pem_private_key,
    load_pem_public_key,
)
from cryptography.x509.oid import NameOID

from sandbox.keys import VENDOR_PRIVATE_KEY


def certificate(public_key: str, serial: int, name: str = "Test") -> str:
    """PEM of a certificate for this key with the four names an issuer of Alipay's has, signed by the vendor's key."""
    parts = ((NameOID.COUNTRY_NAME, "CN"), (NameOID.ORGANIZATION_NAME, "Ant, Inc."))
    parts += ((NameOID.ORGANIZATIONAL_UNIT_NAME, "Authority"), (NameOID.COMMON_NAME, name))
    issuer = x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        issuer, issuer, load_pem_public_key(public_key.encode()), serial
    )  # type: ignore[arg-type]
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    signed = builder.sign(load_pem_private_key(VENDOR_PRIVATE_KEY.encode(), None), SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(Encoding.PEM).decode()
