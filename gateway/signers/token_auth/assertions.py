"""JSON Web Tokens that stand for us at a token endpoint (RFC 7523; RFC 7519)."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from marshmallow import ValidationError

from gateway.masking import STARS

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
LIFE_SECONDS = 300.0  # of an assertion: it is used at once
CLOCK_SKEW_SECONDS = 30.0  # by which the other side's clock may be behind ours

Sign = Callable[[Mapping[str, Any]], str]
_CERTIFICATE = re.compile(
    r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----"
)


def assertion_signer(
    private_key: str, algorithm: str, key_id: str | None = None, certificate: str | None = None
) -> Sign:
    """Return what signs claims with a private key in PEM; in a dry run a signature is stars.

    :param certificate: the key's, in PEM, for vendors who find the key by its thumbprint.
    """
    if private_key == STARS:
        return lambda claims: STARS
    headers = {"kid": key_id} if key_id else {}
    if certificate:
        headers |= _thumbprints(certificate)
    key = jwt.get_algorithm_by_name(algorithm).prepare_key(private_key)
    return lambda claims: jwt.encode(dict(claims), key, algorithm, headers)


def check_private_key(private_key: str, algorithm: str) -> None:
    """:raises ValidationError: the text is no such key, or an encrypted one."""
    try:
        assertion_signer(private_key, algorithm)({})
    except Exception as error:  # cryptography's and PyJWT's own kinds, TypeError, ValueError
        message = f"must be an unencrypted private key in PEM that can sign {algorithm}"
        raise ValidationError(message, "private_key") from error


def check_certificate(settings: Mapping[str, Any]) -> None:
    """:raises ValidationError: the settings' certificate is none, or of no key."""
    if "private_key" not in settings:
        raise ValidationError("is that of a private_key, which is missing", "certificate")
    try:
        _thumbprints(settings["certificate"])
    except ValueError as error:
        raise ValidationError("must be a certificate in PEM", "certificate") from error


def _thumbprints(certificate: str) -> dict[str, str]:
    """Return what a header says of the first certificate in a PEM (RFC 7515, 4.1.7 and 4.1.8).

    :raises ValueError: there is none.
    """
    match = _CERTIFICATE.search(certificate)
    if match is None:
        raise ValueError("no certificate in PEM")
    der = b64decode("".join(match[1].split()), validate=True)
    hashes = {"x5t": hashlib.sha1(der, usedforsecurity=False), "x5t#S256": hashlib.sha256(der)}
    return {
        name: urlsafe_b64encode(value.digest()).rstrip(b"=").decode()
        for name, value in hashes.items()
    }


def lifetime_claims(now: float, life_seconds: float = LIFE_SECONDS) -> dict[str, int]:
    """Return ``iat`` and ``exp``, which are no further apart than the assertion may live."""
    issued_at = int(now - CLOCK_SKEW_SECONDS)
    return {"iat": issued_at, "exp": issued_at + int(life_seconds)}
