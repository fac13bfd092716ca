"""What all peers do alike: the check of the caller's token, the envelope."""

import os
import uuid
from datetime import UTC, datetime
from typing import Any

import jwt

SECRET = os.environ["JWT_SECRET"]
CLAIMS = ["sub", "role", "iat", "nbf", "exp", "jti", "iss", "aud"]


def verified(token: str) -> dict[str, Any]:
    """The claims of a bearer token.

    :raises jwt.InvalidTokenError: it is not ours, or not of now.
    """
    return jwt.decode(
        token,
        SECRET,
        algorithms=["HS256"],
        issuer="postern",
        audience="postern",
        options={"require": CLAIMS},
    )


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
