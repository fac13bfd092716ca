"""JSON Web Tokens that stand for us at a token endpoint (RFC 7523; RFC 7519).

sign = assertion_signer(private_key, "RS256", key_id)
assertion = sign({"iss": "us", "aud": "https://login.example.com/token", "exp": 1700000000})
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jwt
from marshmallow import ValidationError

from gateway.masking import STARS

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
LIFE_SECONDS = 300.0  # of an assertion: it is used at once
CLOCK_SKEW_SECONDS = 30.0  # by which the other side's clock may be behind ours

Sign = Callable[[Mapping[str, Any]], str]


def assertion_signer(private_key: str, algorithm: str, key_id: str | None = None) -> Sign:
    """Return what signs claims with a private key in PEM; in a dry run a signature is stars."""
    if private_key == STARS:
        return lambda claims: STARS
    headers = {"kid": key_id} if key_id else None
    key = jwt.get_algorithm_by_name(algorithm).prepare_key(private_key)
    return lambda claims: jwt.encode(dict(claims), key, algorithm, headers)


def check_private_key(private_key: str, algorithm: str) -> None:
    """:raises ValidationError: the text is no such key, or an encrypted one."""
    try:
        assertion_signer(private_key, algorithm)({})
    except Exception as error:  # cryptography's and PyJWT's own kinds, TypeError, ValueError
        message = f"must be an unencrypted private key in PEM that can sign {algorithm}"
        raise ValidationError(message, "private_key") from error


def lifetime_claims(now: float, life_seconds: float = LIFE_SECONDS) -> dict[str, int]:
    """Return ``iat`` and ``exp``, which are no further apart than the assertion may live."""
    issued_at = int(now - CLOCK_SKEW_SECONDS)
    return {"iat": issued_at, "exp": issued_at + int(life_seconds)}
