"""WeChat's access token and a message call (api.weixin.qq.com): every answer is HTTP 200.

Follows https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/Get_access_token.html and
https://developers.weixin.qq.com/doc/offiaccount/Getting_Started/Global_Return_Code.html
"""

import itertools
import secrets
import threading
import time
from dataclasses import dataclass

from sandbox.messages import Reply, Request, json_reply, not_found_reply, parse_json

APP_ID = "sandbox-app"
APP_SECRET = "sandbox-secret"  # noqa: S105 - the made-up vendor's own
MAX_TOKENS = 1000

_ERRORS = {
    -1: "system error",
    40001: "invalid credential, access_token is invalid or not latest",
    40002: "invalid grant_type",
    40003: "invalid openid",
    40013: "invalid appid",
    40125: "invalid appsecret",
    41001: "access_token missing",
    41002: "appid missing",
    41004: "appsecret missing",
    42001: "access_token expired",
    43001: "require GET method",
    43002: "require POST method",
    44004: "empty content",
    45009: "reach max api daily quota limit",
    47001: "data format error",
}
_TROUBLED_USERS = {"": 40003, "nobody": 40003, "busy": -1, "quota": 45009}


@dataclass(slots=True)
class _Token:
    """Moments on the monotonic clock, in seconds."""

    expires: float
    superseded: float = float("inf")


class WeChat:
    """`expires_in` and `token_overlap` (how long an older token goes on working) are in seconds."""

    def __init__(self, expires_in: int, token_overlap: float) -> None:
        self.expires_in = expires_in
        self.token_overlap = token_overlap
        self.tokens_issued = 0
        self._tokens: dict[str, _Token] = {}
        self._lock = threading.Lock()
        self._message_ids = itertools.count(1_000_001)

    def handle(self, request: Request) -> Reply:
        match request.path:
            case "/cgi-bin/token":
                return self._issue(request)
            case "/cgi-bin/message/send":
                return self._send(request)
        return not_found_reply(request)

    def revoke(self) -> None:
        """Makes every token unknown."""
        with self._lock:
            self._tokens.clear()

    def reset(self) -> None:
        self.revoke()
        self.tokens_issued = 0

    def _issue(self, request: Request) -> Reply:
        """Answer {"access_token", "expires_in"}, or {"errcode", "errmsg"}."""
        app_id = request.first("appid")
        secret = request.first("secret")
        if request.verb != "GET":
            return _error(43001)
        if request.first("grant_type") != "client_credential":
            return _error(40002)
        if app_id != APP_ID:
            return _error(40013 if app_id else 41002)
        if secret != APP_SECRET:
            return _error(40125 if secret else 41004)
        return _answer({"access_token": self._new_token(), "expires_in": self.expires_in})

    def _new_token(self) -> str:
        token = secrets.token_urlsafe(48)
        now = time.monotonic()
        with self._lock:
            self.tokens_issued += 1
            for older in self._tokens.values():
                older.superseded = min(older.superseded, now + self.token_overlap)
            if len(self._tokens) >= MAX_TOKENS:
                self._tokens.pop(next(iter(self._tokens)))
            self._tokens[token] = _Token(now + self.expires_in)
        return token

    def _token_error(self, token: str) -> int:
        """Return the errcode for a token; 0 for a good one."""
        if not token:
            return 41001
        with self._lock:
            issued = self._tokens.get(token)
        now = time.monotonic()
        if issued is None or now >= issued.superseded:
            return 40001
        if now >= issued.expires:
            return 42001
        return 0

    def _send(self, request: Request) -> Reply:
        """Takes {"touser": str, "text": str}; {"errcode": 0, "errmsg": "ok", "msgid": int} when
        accepted.
        """
        if request.verb != "POST":
            return _error(43002)
        if code := self._token_error(request.first("access_token")):
            return _error(code)
        try:
            message = parse_json(request.body)
        except ValueError:
            return _error(47001)
        if not isinstance(message, dict):
            return _error(47001)
        if code := _message_error(message.get("touser"), message.get("text")):
            return _error(code)
        return _answer({"errcode": 0, "errmsg": "ok", "msgid": next(self._message_ids)})


def _message_error(touser: object, text: object) -> int:
    if not isinstance(touser, str):
        return 40003
    if code := _TROUBLED_USERS.get(touser):
        return code
    if not isinstance(text, str) or not text.strip():
        return 44004
    return 0


def _error(code: int) -> Reply:
    return _answer({"errcode": code, "errmsg": _ERRORS[code]})


def _answer(value: object) -> Reply:
    # WeChat really writes "encoding" where others write "charset".
    return json_reply(200, value, content_type="application/json; encoding=utf-8")
