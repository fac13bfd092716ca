"""SHA256withRSA (RSASSA-PKCS1-v1_5, RFC 8017, 8.2) in base64, as Alipay and WeChat Pay use it both ways."""

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

# keys: RSA keys and certificates out of text: PEM, or the bare base64 that Alipay's tools give. Each text is read once.

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.S)
_RSA_SIGNATURES = (
    "1.2.840.113549.1.1."  # the object identifiers under which RSA's signature algorithms stand
)
KEPT = 256  # texts; a catalog is read anew with every change, and reading a private key costs tens of ms


@lru_cache(KEPT)
def rsa_private_key(text: str) -> RSAPrivateKey:
    """:raises ValueError: it is none, or an encrypted one."""
    pem, der = _forms(text)
    try:
        key = load_pem_private_key(pem, None) if pem else load_der_private_key(der, None)
    except (TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise ValueError("not usable") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not RSA")
    return key


@lru_cache(KEPT)
def rsa_public_key(text: str) -> RSAPublicKey:
    """:raises ValueError: it is none."""
    pem, der = _forms(text)
    try:
        key = load_pem_public_key(pem) if pem else load_der_public_key(der)
    except UnsupportedAlgorithm as error:
        raise ValueError("not usable") from error
    if not isinstance(key, RSAPublicKey):
        raise ValueError("not RSA")
    return key


@lru_cache(KEPT)
def certificates(text: str) -> tuple[x509.Certificate, ...]:
    """One or more, in PEM.

    :raises ValueError: there is none.
    """
    return tuple(x509.load_pem_x509_certificates(text.encode()))


@lru_cache(KEPT)
def rsa_signed(text: str) -> tuple[x509.Certificate, ...]:
    """The certificates that RSA signed, of a list in PEM.

    Others need not even be readable: Alipay's own list of roots has one whose encoding the library refuses.

    :raises ValueError: there is none.
    """
    found = []
    for pem in _CERTIFICATE.findall(text):
        with suppress(ValueError):
            found += [each for each in certificates(pem) if _by_rsa(each)]
    if not found:
        raise ValueError("none is signed by RSA")
    return tuple(found)


def _by_rsa(certificate: x509.Certificate) -> bool:
    return certificate.signature_algorithm_oid.dotted_string.startswith(_RSA_SIGNATURES)


@lru_cache(KEPT)
def certified_keys(text: str) -> tuple[tuple[x509.Certificate, RSAPublicKey], ...]:
    """Certificates with their keys.

    :raises ValueError: there is none, or one is not of an RSA key.
    """
    pairs = []
    for each in certificates(text):
        key = each.public_key()
        if not isinstance(key, RSAPublicKey):
            raise ValueError("not RSA")
        pairs.append((each, key))
    return tuple(pairs)


def _forms(text: str) -> tuple[bytes, bytes]:
    """As PEM, or else as DER."""
    if "-----BEGIN" in text:
        return text.encode(), b""
    return b"", b64decode("".join(text.split()), validate=True)


def readable(read: Callable[[str], Any], say: str) -> Callable[[str], None]:
    """A check that ``read`` can read the text; ``say`` is what is wrong where it cannot."""

    def check(text: str) -> None:
        try:
            read(text)
        except ValueError:
            raise ValidationError(
                say
            ) from None  # not even the library's words: they may quote the key

    return check


RSA_PRIVATE_KEY = readable(
    rsa_private_key,
    "must be an unencrypted RSA private key, PEM or bare base64, such as ${file:/run/secrets/key.pem}",
)
RSA_PUBLIC_KEY = readable(
    rsa_public_key, "must be an RSA public key, PEM (BEGIN PUBLIC KEY) or bare base64"
)
ROOT_CERTIFICATES = readable(
    rsa_signed, "must be certificates in PEM, at least one signed by RSA: alipayRootCert.crt"
)
RSA_CERTIFICATES = readable(
    certified_keys, "must be RSA certificates in PEM, such as ${file:/etc/postern/cert.pem}"
)


class VerifyingSettings(AuthSettings):
    """Settings with the keys that replies are verified with: all of at least one of the ``key_sets``."""

    key_sets: tuple[tuple[str, ...], ...] = ()

    @validates_schema(skip_on_field_errors=False)
    def check_key_sets(self, data: Mapping[str, Any], **kwargs: Any) -> None:
        begun = [key_set for key_set in self.key_sets if any(key in data for key in key_set)]
        choices = " or ".join(", ".join(key_set) for key_set in self.key_sets)
        for key_set in begun or self.key_sets[:1]:
            for key in key_set:
                if key not in data:
                    raise ValidationError(f"missing; replies are verified with {choices}", key)


# rsa: SHA256withRSA (RSASSA-PKCS1-v1_5, RFC 8017, 8.2) in base64, as Alipay and WeChat Pay use it both ways.

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
