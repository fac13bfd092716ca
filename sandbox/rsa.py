"""SHA256withRSA, as the payment vendors sign and verify with it."""

from base64 import b64decode, b64encode
from functools import cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key


def sign_rsa(private_key: str, message: bytes) -> str:
    """Return the signature in base64; the key is PEM."""
    return b64encode(_load_private_key(private_key).sign(message, PKCS1v15(), SHA256())).decode()


def verify_rsa(public_key: str, signature: str, message: bytes) -> bool:
    """Tell whether the signature, in base64, is the key's over the message; the key is PEM."""
    key = load_pem_public_key(public_key.encode())
    assert isinstance(key, RSAPublicKey)
    try:
        key.verify(b64decode(signature), message, PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


@cache
def _load_private_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key
