"""SHA256withRSA (RSASSA-PKCS1-v1_5, RFC 8017, 8.2) in base64, for services that sign both ways.

Keys and certificates are text: PEM, or the bare base64 that some vendors' tools give.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    load_der_private_key,
    load_der_public_key,
    load_pem_private_key,
    load_pem_public_key,
)
from marshmallow import ValidationError, validates_schema

from gateway.masking import STARS
from gateway.signers.base import AuthSettings

# A catalog is read anew with every change, and reading a private key costs tens of ms.
MAX_CACHED_TEXTS = 256
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
# The object identifiers under which RSA's signature algorithms stand.
_RSA_SIGNATURES = "1.2.840.113549.1.1."
_PADDING = PKCS1v15()
_HASH = SHA256()


def rsa_signer(key: str) -> Callable[[bytes], str]:
    """Return what signs with this private key; in a dry run, key and signature are stars."""
    if key == STARS:
        return lambda message: STARS
    private_key = load_private_key(key)
    return lambda message: b64encode(private_key.sign(message, _PADDING, _HASH)).decode()


def verify_rsa(key: RSAPublicKey, signature: str, message: bytes) -> bool:
    """Return whether the signature is one, in base64, by this key."""
    try:
        key.verify(b64decode(signature, validate=True), message, _PADDING, _HASH)
    except (InvalidSignature, ValueError):  # ValueError: it is not base64
        return False
    return True


@lru_cache(MAX_CACHED_TEXTS)
def load_private_key(text: str) -> RSAPrivateKey:
    """:raises ValueError: the text is no RSA private key, or an encrypted one."""
    pem, der = _pem_or_der(text)
    try:
        key = load_pem_private_key(pem, None) if pem else load_der_private_key(der, None)
    except (TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise ValueError("not usable") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not RSA")
    return key


@lru_cache(MAX_CACHED_TEXTS)
def load_public_key(text: str) -> RSAPublicKey:
    """:raises ValueError: the text is no RSA public key."""
    pem, der = _pem_or_der(text)
    try:
        key = load_pem_public_key(pem) if pem else load_der_public_key(der)
    except UnsupportedAlgorithm as error:
        raise ValueError("not usable") from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not RSA")
    return key


@lru_cache(MAX_CACHED_TEXTS)
def load_certificates(text: str) -> tuple[x509.Certificate, ...]:
    """Return one certificate or more, of a text in PEM.

    :raises ValueError: there is none.
    """
    return tuple(x509.load_pem_x509_certificates(text.encode()))


@lru_cache(MAX_CACHED_TEXTS)
def load_rsa_signed_certificates(text: str) -> tuple[x509.Certificate, ...]:
    """Return the certificates that RSA signed, of a list in PEM.

    The library refuses the encoding of another one in Alipay's own list of roots.

    :raises ValueError: there is none.
    """
    certificates: list[x509.Certificate] = []
    for pem in _CERTIFICATE.findall(text):
        with suppress(ValueError):
            certificates += filter(_is_rsa_signed, load_certificates(pem))
    if not certificates:
        raise ValueError("none is signed by RSA")
    return tuple(certificates)


def _is_rsa_signed(certificate: x509.Certificate) -> bool:
    return certificate.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)


@lru_cache(MAX_CACHED_TEXTS)
def load_certified_keys(text: str) -> tuple[tuple[x509.Certificate, RSAPublicKey], ...]:
    """Return certificates with their keys.

    :raises ValueError: there is none, or one is not of an RSA key.
    """
    pairs = []
    for certificate in load_certificates(text):
        key = certificate.public_key()
        if not isinstance(key, RSAPublicKey):
            raise ValueError("not RSA")
        pairs.append((certificate, key))
    return tuple(pairs)


def _pem_or_der(text: str) -> tuple[bytes, bytes]:
    """Return the text as PEM, or else as DER, and the other one empty."""
    if "-----BEGIN" in text:
        return text.encode(), b""
    return b"", b64decode("".join(text.split()), validate=True)


def _readable(load: Callable[[str], Any], problem: str) -> Callable[[str], None]:
    """Return a validator of texts that ``load`` can read; ``problem`` is its message."""

    def check(text: str) -> None:
        try:
            load(text)
        except ValueError:
            # Not even with the library's words: they may quote the key.
            raise ValidationError(problem) from None

    return check


RSA_PRIVATE_KEY = _readable(
    load_private_key,
    "must be an unencrypted RSA private key, PEM or bare base64, "
    "such as ${file:/run/secrets/key.pem}",
)
RSA_PUBLIC_KEY = _readable(
    load_public_key, "must be an RSA public key, PEM (BEGIN PUBLIC KEY) or bare base64"
)
ROOT_CERTIFICATES = _readable(
    load_rsa_signed_certificates,
    "must be certificates in PEM, at least one signed by RSA: alipayRootCert.crt",
)
RSA_CERTIFICATES = _readable(
    load_certified_keys, "must be RSA certificates in PEM, such as ${file:/etc/postern/cert.pem}"
)


class VerifyingSettings(AuthSettings):
    """Settings with all keys of one of the ``key_sets`` at least, to verify replies with."""

    key_sets: tuple[tuple[str, ...], ...] = ()

    @validates_schema(skip_on_field_errors=False)
    def check_key_sets(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        begun = [key_set for key_set in self.key_sets if any(key in data for key in key_set)]
        choices = " or ".join(", ".join(key_set) for key_set in self.key_sets)
        for key_set in begun or self.key_sets[:1]:
            for key in key_set:
                if key not in data:
                    raise ValidationError(f"missing; replies are verified with {choices}", key)
