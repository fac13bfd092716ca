"""Signers as catalogs make them, keys to sign with, and what a verifier needs."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms

from gateway.masking import Secret
from gateway.signers import make_signer
from tests.gateway.fakes import make_catalog

NO_TOKEN = Secret("")


def signer(kind: str, auth: dict[str, Any], url: str = "https://example.com") -> Any:
    """As a catalog that says so makes it."""
    catalog = make_catalog({"s": {"base_url": url, "auth": {"type": kind, **auth}}})
    return make_signer(catalog.services["s"].auth, url)


def pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


RSA = pem(rsa.generate_private_key(65537, 2048))
KEYS: dict[str, tuple[Any, dict[str, str]]] = {
    "hmac-sha256": (
        algorithms.HMAC_SHA256,
        {"secret": b64encode(b"ke y" * 8).decode(), "secret_encoding": "base64"},
    ),
    "ed25519": (algorithms.ED25519, {"private_key": pem(ed25519.Ed25519PrivateKey.generate())}),
    "ecdsa-p256-sha256": (
        algorithms.ECDSA_P256_SHA256,
        {"private_key": pem(ec.generate_private_key(ec.SECP256R1()))},
    ),
    "rsa-pss-sha512": (algorithms.RSA_PSS_SHA512, {"private_key": RSA}),
    "rsa-v1_5-sha256": (algorithms.RSA_V1_5_SHA256, {"private_key": RSA}),
}


class Resolver(HTTPSignatureKeyResolver):
    def __init__(self, key: dict[str, str]) -> None:
        self.private: Any = b"ke y" * 8
        self.public = self.private
        if "private_key" in key:
            self.private = load_pem_private_key(key["private_key"].encode(), None)
            self.public = self.private.public_key()

    def resolve_private_key(self, key_id: str) -> Any:
        return self.private

    def resolve_public_key(self, key_id: str) -> Any:
        return self.public


def verifier_of(algorithm: Any, key: dict[str, str]) -> HTTPMessageVerifier:
    """Return a verifier that takes signatures of any time."""
    verifier = HTTPMessageVerifier(signature_algorithm=algorithm, key_resolver=Resolver(key))
    verifier.max_clock_skew = timedelta(days=36500)
    return verifier
