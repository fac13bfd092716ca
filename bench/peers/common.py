"""What all peers do alike: the check of the caller's token, the envelope."""

import os
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import jwt

SECRET = os.environ["JWT_SECRET"]
CLAIMS = ["sub", "role", "iat", "nbf", "exp", "jti", "iss", "aud"]
HAS_MEMO = "TOKEN_MEMO" in os.environ
_memo: dict[str, dict[str, Any]] = {}


def verified(token: str) -> dict[str, Any]:
    """Return the claims of a bearer token; with ``TOKEN_MEMO`` set, checked once until it ends.

    :raises jwt.InvalidTokenError: it is not ours, or not of now.
    """
    claims = _memo.get(token)
    if claims is not None and claims["exp"] > time.time():
        return claims
    claims = jwt.decode(
        token,
        SECRET,
        algorithms=["HS256"],
        issuer="postern",
        audience="postern",
        options={"require": CLAIMS},
    )
    if HAS_MEMO:
        _memo[token] = claims
    return claims


def envelope(
    data: Any, request_id: str | None, code: int = 0, message: str = "success"
) -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "data": data,
        "request_id": request_id or uuid.uuid4().hex,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
