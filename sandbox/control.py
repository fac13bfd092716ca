"""The same control over HTTP as a `Sandbox` gives in Python, for other processes: /_sandbox/..."""

from collections.abc import Callable
from typing import Protocol

from sandbox.messages import (
    Reply,
    Request,
    json_reply,
    not_found_reply,
    parse_json,
    wrong_verb_reply,
)

PREFIX = "/_sandbox/"


class Controlled(Protocol):
    """What control needs of a sandbox."""

    @property
    def requests(self) -> list[Request]: ...
    def fault(self, path: str, spec: str, times: int | None = None) -> None: ...
    def revoke_tokens(self) -> None: ...
    def reset(self) -> None: ...
    def stats(self) -> dict[str, int]: ...


def control(box: Controlled, request: Request) -> Reply:
    name = request.path.removeprefix(PREFIX)
    if name not in _CALLS:
        return not_found_reply(request)
    verb, call = _CALLS[name]
    return call(box, request) if request.verb == verb else wrong_verb_reply(verb)


def _stats(box: Controlled, request: Request) -> Reply:
    return json_reply(200, box.stats())


def _requests(box: Controlled, request: Request) -> Reply:
    return json_reply(200, {"requests": [_describe(past_request) for past_request in box.requests]})


def _revoke_tokens(box: Controlled, request: Request) -> Reply:
    box.revoke_tokens()
    return json_reply(200, {"status": "ok"})


def _reset(box: Controlled, request: Request) -> Reply:
    box.reset()
    return json_reply(200, {"status": "ok"})


def _set_fault(box: Controlled, request: Request) -> Reply:
    """Takes {"path": str, "fault": str, "times": int or null}."""
    try:
        fault = parse_json(request.body)
        path = fault["path"]
        spec = fault["fault"]
        times = fault.get("times")
    except (ValueError, KeyError, TypeError):
        return json_reply(
            422, {"error": "body is a JSON object with path, fault and, if wanted, times"}
        )
    if not (
        isinstance(path, str) and isinstance(spec, str) and (times is None or type(times) is int)
    ):
        return json_reply(
            422, {"error": "path and fault are texts, times is a whole number or null"}
        )
    try:
        box.fault(path, spec, times)
    except ValueError as error:
        return json_reply(422, {"error": str(error)})
    return json_reply(200, {"status": "ok"})


def _describe(request: Request) -> dict[str, object]:
    return {
        "verb": request.verb,
        "path": request.path,
        "query": request.query,
        "headers": request.headers,
        "body": request.text(),
        "target": request.target,
    }


_CALLS: dict[str, tuple[str, Callable[[Controlled, Request], Reply]]] = {
    "stats": ("GET", _stats),
    "requests": ("GET", _requests),
    "fault": ("POST", _set_fault),
    "revoke_tokens": ("POST", _revoke_tokens),
    "reset": ("POST", _reset),
}
