"""Private keys, read once: what signs bytes with one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

Sign = Callable[[bytes], bytes]


def _ed25519(key: ed25519.Ed25519PrivateKey) -> Sign:
    return key.sign


def _ecdsa(key: ec.EllipticCurvePrivateKey) -> Sign:
    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return sign


def _rsa_pss(key: rsa.RSAPrivateKey) -> Sign:
    pad = padding.PSS(padding.MGF1(hashes.SHA512()), salt_length=64)
    return lambda data: key.sign(data, pad, hashes.SHA512())


def _rsa_v1_5(key: rsa.RSAPrivateKey) -> Sign:
    return lambda data: key.sign(data, padding.PKCS1v15(), hashes.SHA256())


#: By RFC 9421's names: what the key must be, how a person calls that, and what makes a signature with it.
ALGORITHMS: Mapping[str, tuple[type[Any], str, Callable[[Any], Sign]]] = {
    "ed25519": (ed25519.Ed25519PrivateKey, "an Ed25519 key", _ed25519),
    "ecdsa-p256-sha256": (ec.EllipticCurvePrivateKey, "a P-256 key", _ecdsa),
    "rsa-pss-sha512": (rsa.RSAPrivateKey, "an RSA key", _rsa_pss),
    "rsa-v1_5-sha256": (rsa.RSAPrivateKey, "an RSA key", _rsa_v1_5),
}


@lru_cache(256)  # texts; a catalog is read anew with every change, and reading an RSA key costs tens of ms
def signing(algorithm: str, pem: str) -> Sign:
    """What signs with this key (PEM, unencrypted); ECDSA gives r and s, 32 bytes each.

    :raises ValueError: it is no such key; never with a part of it.
    """
    kind, called, make = ALGORITHMS[algorithm]
    try:
        key = cast(Any, load_pem_private_key(pem.encode(), password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("must be a private key, PEM, without a password") from None
    if not isinstance(key, kind) or (kind is ec.EllipticCurvePrivateKey and key.curve.name != "secp256r1"):
        raise ValueError(f"must be {called} for {algorithm}")
    return make(key)
