"""A collection of things in memory: {"id": int, "name": str, ...}."""

import threading
from typing import Any

from sandbox.messages import (
    Reply,
    Request,
    json_reply,
    not_found_reply,
    parse_json,
    wrong_verb_reply,
)

MAX_ITEMS = 10_000


class Items:
    """GET and POST on /items; GET, PUT, PATCH and DELETE on /items/<id>."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: dict[int, dict[str, Any]] = {}
        self._last_id = 0

    def reset(self) -> None:
        with self._lock:
            self._items.clear()
            self._last_id = 0

    def handle(self, request: Request) -> Reply:
        number = request.path.removeprefix("/items").strip("/")
        with self._lock:
            if not number:
                return self._collection(request)
            numeric = number.isascii() and number.isdigit() and len(number) < 10
            if not numeric or int(number) not in self._items:
                return not_found_reply(request)
            return self._single(request, int(number))

    def _collection(self, request: Request) -> Reply:
        if request.verb == "GET":
            return json_reply(200, {"items": list(self._items.values()), "total": len(self._items)})
        if request.verb != "POST":
            return wrong_verb_reply("GET", "POST")
        fields = _read_fields(request, name_required=True)
        if isinstance(fields, Reply):
            return fields
        self._last_id += 1
        item = self._items[self._last_id] = {**fields, "id": self._last_id}
        if len(self._items) > MAX_ITEMS:
            self._items.pop(next(iter(self._items)))
        return json_reply(201, item, ("Location", f"/items/{self._last_id}"))

    def _single(self, request: Request, number: int) -> Reply:
        match request.verb:
            case "GET":
                return json_reply(200, self._items[number])
            case "DELETE":
                del self._items[number]
                return Reply(204, headers=())
            case "PUT" | "PATCH":
                fields = _read_fields(request, name_required=request.verb == "PUT")
                if isinstance(fields, Reply):
                    return fields
                if request.verb == "PATCH":
                    fields = {**self._items[number], **fields}
                self._items[number] = {**fields, "id": number}
                return json_reply(200, self._items[number])
        return wrong_verb_reply("GET", "PUT", "PATCH", "DELETE")


def _read_fields(request: Request, *, name_required: bool) -> dict[str, Any] | Reply:
    """Return the JSON object sent, or the 422 that says what is wrong with it."""
    try:
        fields = parse_json(request.body)
    except ValueError:
        return json_reply(422, {"error": "body is not JSON"})
    if not isinstance(fields, dict):
        return json_reply(422, {"error": "body is not a JSON object"})
    name = fields.get("name", None if name_required else "unchanged")
    if not isinstance(name, str) or not name:
        return json_reply(
            422, {"error": "name is a text of at least one character", "field": "name"}
        )
    return fields
