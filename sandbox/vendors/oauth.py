"""OAuth 2.0 client credentials (RFC 6749, 4.4): POST /oauth2/token, and /oauth2/me, which a token
opens.
"""

import base64
import secrets
import threading
from urllib.parse import parse_qsl, unquote_plus

from sandbox.messages import Reply, Request, json_reply, wrong_verb

# Both hold characters that need form-encoding.
CLIENT_ID = "sandbox client:1"
CLIENT_SECRET = "sandbox/secret+2%"
MAX_TOKENS = 1000


class OAuth:
    """`expires_in` is in seconds; None leaves it out of the answer."""

    def __init__(self) -> None:
        self.expires_in: int | None = 3600
        self._lock = threading.Lock()
        self._scopes: dict[str, str] = {}

    def reset(self) -> None:
        with self._lock:
            self._scopes.clear()

    def handle(self, request: Request) -> Reply:
        if request.path == "/oauth2/token":
            return self._issue(request) if request.verb == "POST" else wrong_verb("POST")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._scopes:
            return json_reply(
                401,
                {"error": "invalid_token"},
                ("WWW-Authenticate", 'Bearer error="invalid_token"'),
            )
        return json_reply(200, {"scope": self._scopes[token]})

    def _issue(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.text(), keep_blank_values=True))
        client = (form.get("client_id"), form.get("client_secret"))
        if client != (CLIENT_ID, CLIENT_SECRET) and not _has_basic_auth(request):
            return json_reply(401, {"error": "invalid_client"}, ("WWW-Authenticate", "Basic"))
        if form.get("grant_type") != "client_credentials":
            return json_reply(400, {"error": "unsupported_grant_type"})
        if form.get("scope") == "forbidden":
            return json_reply(400, {"error": "invalid_scope"})
        token = secrets.token_urlsafe(32)
        with self._lock:
            if len(self._scopes) == MAX_TOKENS:
                self._scopes.clear()
            self._scopes[token] = form.get("scope", "")
        answer: dict[str, object] = {"access_token": token, "token_type": "bearer"}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        return json_reply(
            200,
            answer,
            ("Cache-Control", "no-store"),
        )


def _has_basic_auth(request: Request) -> bool:
    """Tell whether id and secret came as Basic, each form-encoded (2.3.1)."""
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    try:
        client = base64.b64decode(coded, validate=True).decode()
    except ValueError:
        return False
    name, _, secret = client.partition(":")
    return (kind, unquote_plus(name), unquote_plus(secret)) == ("Basic", CLIENT_ID, CLIENT_SECRET)
