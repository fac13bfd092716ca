"""OAuth 2.0 (RFC 6749): POST /oauth2/token by client credentials, codes and refresh tokens, GET
/oauth2/authorize, which says yes at once, and /oauth2/me, which a token opens.
"""

import base64
import hashlib
import secrets
import threading
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus, urlencode

from sandbox.messages import Reply, Request, json_reply, wrong_verb_reply

# Both hold characters that need form-encoding.
CLIENT_ID = "sandbox client:1"
CLIENT_SECRET = "sandbox/secret+2%"  # noqa: S105 - the made-up vendor's own
MAX_TOKENS = 1000


@dataclass
class Family:
    """All refresh tokens that came from one consent: one of them is good."""

    scope: str
    current: str = ""


@dataclass(frozen=True)
class Code:
    redirect_uri: str
    challenge: str
    scope: str


class OAuth:
    """`expires_in` is in seconds; None leaves it out of the answer.

    `rotates`: each refresh token is good once, and one that comes again ends its family. `denies`:
    the person at /oauth2/authorize says no. `gives_refresh_tokens`: a code brings one. `refreshes`
    are the refresh tokens that came, in their order, `reused` those that had been used before.
    """

    def __init__(self) -> None:
        self.expires_in: int | None = 3600
        self.rotates = True
        self.denies = False
        self.gives_refresh_tokens = True
        self.refreshes: list[str] = []
        self.reused: list[str] = []
        self._lock = threading.Lock()
        self._scopes: dict[str, str] = {}
        self._families: dict[str, Family] = {}
        self._codes: dict[str, Code] = {}

    def reset(self) -> None:
        """Make access tokens unknown."""
        with self._lock:
            self._scopes.clear()

    def begin_family(self, scope: str = "", refresh_token: str | None = None) -> str:
        """Return a first refresh token, this one or another that is good from now on."""
        with self._lock:
            self.refreshes.clear()
            self.reused.clear()
            return self._next_refresh_token(Family(scope), refresh_token)

    def revoke_families(self) -> None:
        with self._lock:
            for family in self._families.values():
                family.current = ""

    def handle(self, request: Request) -> Reply:
        if request.path == "/oauth2/token":
            return self._issue(request) if request.verb == "POST" else wrong_verb_reply("POST")
        if request.path == "/oauth2/authorize":
            return self._authorize(request)
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._scopes:
            challenge = ("WWW-Authenticate", 'Bearer error="invalid_token"')
            return json_reply(401, {"error": "invalid_token"}, challenge)
        return json_reply(200, {"scope": self._scopes[token]})

    def _issue(self, request: Request) -> Reply:
        form = dict(parse_qsl(request.text(), keep_blank_values=True))
        client = (form.get("client_id"), form.get("client_secret"))
        if client != (CLIENT_ID, CLIENT_SECRET) and not _has_basic_auth(request):
            return json_reply(401, {"error": "invalid_client"}, ("WWW-Authenticate", "Basic"))
        grant = form.get("grant_type")
        if grant not in ("client_credentials", "refresh_token", "authorization_code"):
            return json_reply(400, {"error": "unsupported_grant_type"})
        if form.get("scope") == "forbidden":
            return json_reply(400, {"error": "invalid_scope"})
        scope = form.get("scope", "")
        refresh_token = None
        with self._lock:
            if grant != "client_credentials":
                spend = self._spend_refresh_token if grant == "refresh_token" else self._spend_code
                if (spent := spend(form)) is None:
                    return json_reply(400, {"error": "invalid_grant"})
                scope, refresh_token = spent
            token = secrets.token_urlsafe(32)
            if len(self._scopes) == MAX_TOKENS:
                self._scopes.clear()
            self._scopes[token] = scope
        answer: dict[str, object] = {"access_token": token, "token_type": "bearer"}
        if refresh_token:
            answer |= {"refresh_token": refresh_token, "scope": scope}
        if self.expires_in is not None:
            answer["expires_in"] = self.expires_in
        return json_reply(200, answer, ("Cache-Control", "no-store"))

    def _authorize(self, request: Request) -> Reply:
        query = {name: values[0] for name, values in request.query.items()}
        required = ("redirect_uri", "state", "code_challenge")
        if query.get("client_id") != CLIENT_ID or not all(map(query.get, required)):
            return json_reply(400, {"error": "invalid_request"})
        pairs = {"state": query["state"]}
        if self.denies:
            pairs["error"] = "access_denied"
        else:
            pairs["code"] = secrets.token_urlsafe(32)
            code = Code(query["redirect_uri"], query["code_challenge"], query.get("scope", ""))
            with self._lock:
                self._codes[pairs["code"]] = code
        location = f"{query['redirect_uri']}?{urlencode(pairs)}"
        return json_reply(302, {}, ("Location", location))

    def _spend_code(self, form: dict[str, str]) -> tuple[str, str | None] | None:
        """Return the scope and a first refresh token, for a code and the verifier of its hash."""
        code = self._codes.pop(form.get("code", ""), None)
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
        proof = (form.get("redirect_uri"), challenge)
        if code is None or (code.redirect_uri, code.challenge) != proof:
            return None
        if not self.gives_refresh_tokens:
            return code.scope, None
        return code.scope, self._next_refresh_token(Family(code.scope))

    def _spend_refresh_token(self, form: dict[str, str]) -> tuple[str, str | None] | None:
        """Return the scope and the next refresh token; one that was used before ends its family."""
        sent = form.get("refresh_token", "")
        self.refreshes.append(sent)
        family = self._families.get(sent)
        if family is None:
            return None
        if family.current != sent:
            if family.current:
                self.reused.append(sent)
            family.current = ""
            return None
        if not self.rotates:
            return family.scope, sent
        return family.scope, self._next_refresh_token(family)

    def _next_refresh_token(self, family: Family, refresh_token: str | None = None) -> str:
        family.current = refresh_token or secrets.token_urlsafe(32)
        self._families[family.current] = family
        return family.current


def _has_basic_auth(request: Request) -> bool:
    """Tell whether id and secret came as Basic, each form-encoded (2.3.1)."""
    kind, _, coded = request.headers.get("authorization", "").partition(" ")
    try:
        client = base64.b64decode(coded, validate=True).decode()
    except ValueError:
        return False
    name, _, secret = client.partition(":")
    return (kind, unquote_plus(name), unquote_plus(secret)) == ("Basic", CLIENT_ID, CLIENT_SECRET)
