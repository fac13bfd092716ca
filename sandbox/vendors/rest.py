"""A plain REST API, after https://httpbin.org: echoes, statuses, credentials, cookies, redirects,
sizes, payments.
"""

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from sandbox.messages import Reply, Request, json_reply, not_found_reply, parse_json
from sandbox.vendors.items import Items
from sandbox.vendors.payments import Payments

MAX_BODY_BYTES = 64 * 1024 * 1024
USER = "sandbox"
PASSWORD = "sandbox-secret"  # noqa: S105 - the made-up vendor's own
TOKEN = "sandbox-token"  # noqa: S105 - the made-up vendor's own
API_KEY = "sandbox-key"

_BASIC = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


class Rest:
    def __init__(self) -> None:
        self._items = Items()
        self._payments = Payments()

    def reset(self) -> None:
        self._items.reset()
        self._payments.reset()

    def handle(self, request: Request) -> Reply:
        if request.path in _PAGES:
            return _PAGES[request.path](request)
        _, first, *rest = request.path.split("/")
        match first, rest:
            case "anything", _:
                return json_reply(200, echo(request))
            case "items", _:
                return self._items.handle(request)
            case "payments", []:
                return self._payments.handle(request)
            case "status", [code]:
                return _status(code)
            case "bytes", [size]:
                return _bytes(size)
            case "ranged", []:
                return _ranged(request)
        return not_found_reply(request)


def echo(request: Request) -> dict[str, Any]:
    """Return the request as JSON; `json` is its body parsed, null when that fails."""
    try:
        parsed = parse_json(request.body)
    except ValueError:
        parsed = None
    return {
        "method": request.verb,
        "path": request.path,
        "query": request.query,
        "headers": request.headers,
        "body": request.text(),
        "json": parsed,
    }


def _number(text: str, minimum: int, maximum: int) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        return None
    if minimum <= int(text) <= maximum:
        return int(text)
    return None


def _status(text: str) -> Reply:
    code = _number(text, 200, 599)
    if code is None:
        return json_reply(422, {"error": "status is a number from 200 to 599"})
    return json_reply(code, {"status": code})


def _bytes(text: str) -> Reply:
    size = _number(text, 0, MAX_BODY_BYTES)
    if size is None:
        return json_reply(422, {"error": f"size is a number from 0 to {MAX_BODY_BYTES}"})
    return Reply(200, b"x" * size, (("Content-Type", "application/octet-stream"),))


def _ranged(request: Request) -> Reply:
    """Return the alphabet, whole or a range of it (RFC 9110, 14), under an ETag."""
    text = b"abcdefghijklmnopqrstuvwxyz"
    etag = ("ETag", '"abc"')
    if request.headers.get("if-none-match") == '"abc"':
        return Reply(304, b"", (etag,))
    byte_range = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("range", ""))
    kind = ("Content-Type", "text/plain")
    if not byte_range:
        return Reply(200, text, (kind, etag, ("Accept-Ranges", "bytes")))
    first = int(byte_range[1])
    last = min(int(byte_range[2]), len(text) - 1)
    if first > last:
        return Reply(416, b"", (kind, ("Content-Range", f"bytes */{len(text)}")))
    content_range = ("Content-Range", f"bytes {first}-{last}/{len(text)}")
    return Reply(206, text[first : last + 1], (kind, etag, content_range))


def _health(request: Request) -> Reply:
    return json_reply(200, {"status": "ok"})


def _redirect(request: Request) -> Reply:
    to = request.first("to")
    if not to:
        return json_reply(422, {"error": "to is missing"})
    # Quoting leaves a URL as it is but lets no line break into the header.
    return json_reply(302, {"to": to}, ("Location", quote(to, safe="%/:=&?~#+!$,;'@()*[]")))


def _cookies(request: Request) -> Reply:
    """Sets two cookies in two headers: joined with a comma they would be broken."""
    return json_reply(
        200,
        {"cookie": request.headers.get("cookie")},
        ("Set-Cookie", "sandbox=chocolate; Path=/; HttpOnly"),
        ("Set-Cookie", "flavour=vanilla; Expires=Wed, 01 Jan 2070 00:00:00 GMT; Path=/"),
    )


#: Scheme -> the header, its right value, and the challenge for a wrong one.
_SCHEMES = {
    "basic": ("authorization", _BASIC, 'Basic realm="sandbox"'),
    "bearer": ("authorization", f"Bearer {TOKEN}", 'Bearer realm="sandbox"'),
    "api-key": ("x-api-key", API_KEY, 'ApiKey realm="sandbox"'),
}


def _guarded(request: Request) -> Reply:
    scheme = request.path.strip("/")
    header, credential, challenge = _SCHEMES[scheme]
    if request.headers.get(header) != credential:
        return json_reply(401, {"error": "unauthorized"}, ("WWW-Authenticate", challenge))
    return json_reply(200, {"authenticated": True, "scheme": scheme})


_PAGES: dict[str, Callable[[Request], Reply]] = {
    "/v1/health": _health,
    "/redirect": _redirect,
    "/cookies": _cookies,
    "/basic": _guarded,
    "/bearer": _guarded,
    "/api-key": _guarded,
}
