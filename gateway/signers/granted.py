"""What a token endpoint answers: an access token and how long it lives (RFC 6749, 5.1; WeChat's is alike)."""

from __future__ import annotations

import re

from gateway.bodies import load_json
from gateway.call import HttpResponse
from gateway.errors import CredentialError
from gateway.masking import Secret

LONGEST_LIFE = 365 * 86400  # seconds; a vendor's "forever" must still be a float

_TOKEN = re.compile(r"[\x21-\x7e]{1,8192}")
_SECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)


def granted(response: HttpResponse, life: float, code: str) -> tuple[Secret, float]:
    """The token and the seconds it lives.

    :param life: seconds, where the answer does not say.
    :param code: where the answer says why it has no token.
    :raises CredentialError: it has none, or none that can be sent as it is.
    """
    try:
        answer = load_json(response.body)
    except ValueError as error:
        raise CredentialError(detail=f"token answer: HTTP {response.status}, {error}") from error
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        why = answer.get(code) if isinstance(answer, dict) else None
        raise CredentialError(detail=f"token answer: HTTP {response.status}, {code} {str(why)[:80]}")
    kind = str(answer.get("token_type", "bearer"))
    if kind.lower() != "bearer":
        raise CredentialError(detail=f"token answer: token_type {kind[:80]}, which is not sent as a bearer's")
    seconds = answer.get("expires_in")
    if isinstance(seconds, str) and _SECONDS.fullmatch(seconds):  # Microsoft's v1 endpoint
        seconds = int(seconds)
    known = isinstance(seconds, int | float)
    return Secret(token), float(max(0, min(seconds, LONGEST_LIFE))) if known else life
