"""SHA256withRSA (RSASSA-PKCS1-v1_5, RFC 8017, 8.2) in base64, as Alipay and WeChat Pay use it both ways."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from gateway.masking import STARS
from schemas.keys import rsa_private_key

_PADDING, _HASH = PKCS1v15(), SHA256()


def signing(key: str) -> Callable[[bytes], str]:
    """Signs with this private key; with the stars that a dry run has in its place, the signature is stars."""
    if key == STARS:
        return lambda message: STARS
    private = rsa_private_key(key)
    return lambda message: b64encode(private.sign(message, _PADDING, _HASH)).decode()


def verifies(key: RSAPublicKey, signature: str, message: bytes) -> bool:
    try:
        key.verify(b64decode(signature, validate=True), message, _PADDING, _HASH)
    except (InvalidSignature, ValueError):  # ValueError: it is not base64
        return False
    return True
