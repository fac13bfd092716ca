"""What goes in and out of a vendor: `Request` and `Reply`, and JSON for both."""

import json
from dataclasses import dataclass
from typing import Any

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as received.

    `path` is percent-decoded and lacks any /fault/SPEC prefix; `headers` has lower-case names,
    repeated fields joined with ", "; `body` is whole and dechunked; `target` is the request target
    as it was sent.
    """

    verb: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes = b""
    target: str = ""

    def first(self, name: str) -> str:
        """Return the first value of a query parameter, or ""."""
        return self.query.get(name, [""])[0]

    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Reply:
    """A status, a body and headers as (name, value) pairs; framing headers are added when it is
    written.
    """

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("Content-Type", JSON_TYPE),)


def dump_json(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # a lone surrogate taken from a client's "\ud800" has no UTF-8 form
        return json.dumps(value).encode()


def parse_json(body: bytes) -> Any:
    """Read strict JSON in UTF-8; ValueError for anything else, NaN and endless nesting included."""
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def json_reply(
    status: int, value: object, *headers: tuple[str, str], content_type: str = JSON_TYPE
) -> Reply:
    return Reply(status, dump_json(value), (("Content-Type", content_type), *headers))


def not_found_reply(request: Request) -> Reply:
    return json_reply(404, {"error": "not found", "path": request.path})


def wrong_verb_reply(*allowed: str) -> Reply:
    return json_reply(405, {"error": "method not allowed"}, ("Allow", ", ".join(allowed)))
