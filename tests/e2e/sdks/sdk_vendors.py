"""What the SDKs of Stripe, Slack, GitHub and Twilio ask for in tests, answered as their vendors document it.

Each has a folder of its own: ``/stripe``, ``/slack``, ``/github``, ``/twilio``. All want ``CREDENTIAL``.
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.http_server import Answer, HttpServer, Received

CREDENTIAL = "the-vendors-own-credential"
ACCOUNT = "AC0123456789abcdef0123456789abcdef"
PAGES = 3
BASIC = b64encode(f"{ACCOUNT}:{CREDENTIAL}".encode()).decode()
AUTHORIZATION = {"twilio": f"Basic {BASIC}"}
MESSAGES = f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json"


class SdkVendors(HttpServer):
    """:ivar requests: what came, in order."""

    def __init__(self) -> None:
        self.requests: list[Received] = []

    def answer(self, request: Received) -> Answer:
        self.requests.append(request)
        parts = urlsplit(request.target)
        _, vendor, path = parts.path.split("/", 2)
        if request.headers.get("authorization") != AUTHORIZATION.get(
            vendor, f"Bearer {CREDENTIAL}"
        ):
            return _json(401, {"error": {"message": "whose key is that?"}})
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        form = _fields(request)
        page = int(
            query.get("page") or query.get("Page") or query.get("starting_after", "cus_0")[4:]
        )
        respond = getattr(self, f"_{vendor}")
        return respond(f"{request.verb} /{path}", page, {**query, **form})

    def _stripe(self, asked: str, page: int, given: dict[str, str]) -> Answer:
        match asked:
            case "POST /v1/customers":
                return _json(200, {"id": "cus_9", "object": "customer", "email": given["email"]})
            case "GET /v1/customers":
                item = {"id": f"cus_{page + 1}", "object": "customer"}
                more = page + 1 < PAGES
                listed = {
                    "object": "list",
                    "url": "/v1/customers",
                    "has_more": more,
                    "data": [item],
                }
                return _json(200, listed)
        error = {
            "type": "invalid_request_error",
            "code": "resource_missing",
            "message": "No such one",
        }
        return _json(404, {"error": error})

    def _slack(self, asked: str, page: int, given: dict[str, str]) -> Answer:
        match asked:
            case "POST /api/chat.postMessage":
                return _json(200, {"ok": True, "ts": "1.2", "channel": given["channel"]})
            case "GET /api/conversations.list" | "POST /api/conversations.list":
                number = int(given.get("cursor", "1"))
                cursor = str(number + 1) if number < PAGES else ""
                channels = [{"id": f"C{number}"}]
                return _json(
                    200,
                    {
                        "ok": True,
                        "channels": channels,
                        "response_metadata": {"next_cursor": cursor},
                    },
                )
        return _json(200, {"ok": False, "error": "unknown_method"})

    def _github(self, asked: str, page: int, given: dict[str, str]) -> Answer:
        repo = f"{self.url}/github/repos/octo/hello"
        user = {"login": "octo", "id": 1, "url": f"{self.url}/github/users/octo", "type": "User"}
        match asked:
            case "GET /repos/octo/hello":
                named = {"id": 1, "name": "hello", "full_name": "octo/hello", "owner": user}
                return _json(200, {**named, "url": repo, "issues_url": f"{repo}/issues{{/number}}"})
            case "GET /users/octo":
                return _json(200, {**user, "name": "Octo Cat"})
            case "GET /repos/octo/hello/issues":
                number = max(page, 1)
                issue = {
                    "id": number,
                    "number": number,
                    "url": f"{repo}/issues/{number}",
                    "user": user,
                }
                more = f'<{repo}/issues?page={number + 1}>; rel="next"'
                return _json(200, [issue], *([("Link", more)] if number < PAGES else []))
            case "POST /repos/octo/hello/issues/2/comments":
                return _json(201, {"id": 5, "body": "seen", "url": f"{repo}/issues/comments/5"})
        return _json(404, {"message": "Not Found"})

    def _twilio(self, asked: str, page: int, given: dict[str, str]) -> Answer:
        if asked == f"POST {MESSAGES}":
            return _json(201, {"sid": "SM9", "body": given["Body"], "to": given["To"]})
        if asked == f"GET {MESSAGES}":
            more = f"{MESSAGES}?Page={page + 1}" if page + 1 < PAGES else None
            listed = {"messages": [{"sid": f"SM{page + 1}"}], "next_page_uri": more, "page": page}
            return _json(200, listed)
        return _json(404, {"code": 20404, "message": "not found", "status": 404})


def _fields(request: Received) -> dict[str, Any]:
    if request.body and "json" in request.headers.get("content-type", ""):
        fields: dict[str, Any] = json.loads(request.body)
        return fields
    return {name: values[-1] for name, values in parse_qs(request.body.decode()).items()}


def _json(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    return Answer(
        status, json.dumps(value).encode(), (*headers, ("Content-Type", "application/json"))
    )
