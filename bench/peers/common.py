"""What all peers do alike: settings, the check of the caller's token, the envelope."""

import os
import uuid
from datetime import UTC, datetime
from typing import Any

import jwt

SEND = os.environ["VENDOR_URL"] + "/cgi-bin/message/send"
QUERY = {"access_token": os.environ["VENDOR_TOKEN"]}
SECRET = os.environ["JWT_SECRET"]
CLAIMS = ["sub", "role", "iat", "nbf", "exp", "jti", "iss", "aud"]
CONNECT, READ = 3.05, 5.0  # seconds
LONGEST_TEXT = 2048


def verified(token: str) -> dict[str, Any]:
    """The claims of a bearer token.

    :raises jwt.InvalidTokenError: it is not ours, or not of now.
    """
    return jwt.decode(
        token, SECRET, algorithms=["HS256"], issuer="postern", audience="postern", options={"require": CLAIMS}
    )


def envelope(data: Any, request_id: str | None, code: int = 0, message: str = "success") -> dict[str, Any]:
    return {
        "code": code,
        "message": message,
        "data": data,
        "request_id": request_id or uuid.uuid4().hex,
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
