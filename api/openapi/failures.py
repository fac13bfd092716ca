"""Failures in the OpenAPI file: for each status the codes it may carry, each with an example."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from api.errors import ALREADY_EXISTS
from api.http.error_response import describe_error, status_of
from api.http.responses import build_envelope
from gateway.errors import GatewayError

Kind = tuple[int, int]  # HTTP status and code: some codes go with two
ErrorsByKind = dict[Kind, GatewayError]
AWAY: Kind = (503, -5001)
UNFORESEEN: Kind = (500, -5000)
UNAUTHENTICATED: frozenset[Kind] = frozenset(
    {(401, -1002), (401, -2001), (401, -2002), (401, -2003), (401, -2005)}
)
BODY: frozenset[Kind] = frozenset({(400, -3001), (400, -3002), (400, -3003), (413, -3007)})
_EXAMPLE_FIELDS = {
    "request_id": "0f8fad5bd9cb469fa16570867728950e",
    "timestamp": "2026-11-21T03:40:00.123Z",
}

_HEADERS = {416: "Content-Range", 429: "Retry-After", 503: "Retry-After"}  # by status
_FIELDS = {-3003: {"name": ["Missing data for required field."]}, -3006: {"name": [ALREADY_EXISTS]}}


def _all_errors(base: type[GatewayError]) -> Iterator[GatewayError]:
    for subclass in base.__subclasses__():
        yield from _all_errors(subclass)
    error = base.__new__(base)
    GatewayError.__init__(error, fields=_FIELDS.get(base.code))
    yield error


class Failures:
    """Makes an answer once, however many operations may give it.

    :ivar schemas: of ``components``, by name, so that generated clients have a type for each.
    """

    def __init__(self) -> None:
        self.errors_by_kind: ErrorsByKind = {
            (status_of(error), error.code): error for error in _all_errors(GatewayError)
        }
        self.components: dict[str, Any] = {"Failure": _answer("Any other failure.", "Failure")}
        self.schemas: dict[str, Any] = {
            "Failure": _failure_schema(self.errors_by_kind),
            "Error": _error_schema(self.errors_by_kind),
        }

    def copy(self) -> Failures:
        """Return another one, to which more can be added apart."""
        copy = Failures()
        copy.components = dict(self.components)
        copy.schemas = dict(self.schemas)
        return copy

    def responses(self, kinds: Iterable[Kind]) -> dict[str, Any]:
        """Return an operation's failures, by status; others are as ``Failure`` says."""
        by_status: dict[int, list[int]] = {}
        for status, code in sorted(set(kinds), reverse=True):
            by_status.setdefault(status, []).append(code)
        responses = {
            str(status): self._ref(status, codes) for status, codes in sorted(by_status.items())
        }
        return {**responses, "default": {"$ref": "#/components/responses/Failure"}}

    def _ref(self, status: int, codes: list[int]) -> dict[str, str]:
        name = "_".join(["Failure", str(status), *(str(-code) for code in codes)])
        if name not in self.components:
            errors = [self.errors_by_kind[status, code] for code in codes]
            description = "; ".join(
                f"{error.type} ({error.code}): {error.message}" for error in errors
            )
            self.components[name] = _answer(description, name, errors)
            own = {"type": "object", "properties": {"code": {"type": "integer", "enum": codes}}}
            self.schemas[name] = {"allOf": [{"$ref": "#/components/schemas/Failure"}, own]}
            if header := _HEADERS.get(status):
                self.components[name]["headers"] = {
                    header: {"$ref": f"#/components/headers/{header.replace('-', '')}"}
                }
        return {"$ref": f"#/components/responses/{name}"}


def _answer(description: str, schema: str, examples: Sequence[GatewayError] = ()) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    if examples:
        content["examples"] = {error.type: {"value": _example(error)} for error in examples}
    return {"description": description, "content": {"application/json": content}}


def _example(error: GatewayError) -> dict[str, Any]:
    return {
        **build_envelope("", None, error.code, error.message, describe_error(error)),
        **_EXAMPLE_FIELDS,
    }


def _failure_schema(errors_by_kind: ErrorsByKind) -> dict[str, Any]:
    """Describe the failure envelope; ``Partial`` is the one whose ``data`` is not null."""
    codes = sorted({code for _, code in errors_by_kind}, reverse=True)
    return {
        "type": "object",
        "required": ["code", "message", "data", "request_id", "timestamp", "error"],
        "properties": {
            "code": {"type": "integer", "enum": codes},
            "message": {"type": "string"},
            "data": {"type": "null"},
            "request_id": {"type": "string"},
            "timestamp": {"type": "string", "format": "date-time"},
            "error": {"$ref": "#/components/schemas/Error"},
        },
    }


VENDOR_SCHEMA = {
    "type": "object",
    "description": "The vendor's own words, masked, of a service that shows them.",
    "properties": {
        "code": {"type": ["string", "null"]},
        "message": {"type": ["string", "null"], "maxLength": 500},
    },
}


def _error_schema(errors_by_kind: ErrorsByKind) -> dict[str, Any]:
    """Describe what a failure, and a failed call of several, says of itself."""
    types = sorted({error.type for error in errors_by_kind.values()})
    return {
        "type": "object",
        "description": "What kind of failure, whose fault it is, and whether another try makes sense.",
        "required": ["type", "source", "retryable", "docs"],
        "properties": {
            "type": {"type": "string", "enum": types},
            "source": {"type": "string", "enum": ["caller", "gateway", "downstream"]},
            "retryable": {"type": "boolean"},
            "docs": {
                "type": "string",
                "format": "uri-reference",
                "description": "Where this service says what the code means and what to do.",
                "examples": ["/docs/errors#-3003"],
            },
            "service": {"type": "string"},
            "method": {"type": "string"},
            "fields": {
                "type": "object",
                "description": "What is wrong with which field; of at most 20.",
            },
            "more": {"type": "integer", "description": "How many other fields are wrong."},
            "string_to_sign": {
                "type": "string",
                "description": "What a signature that was refused should have been made of.",
            },
            "did_you_mean": {
                "type": "string",
                "description": "The name that is nearest to one that does not exist.",
            },
            "vendor_code": {
                "type": "string",
                "description": "The vendor's own, of a service that shows it.",
            },
            "vendor": VENDOR_SCHEMA,
        },
    }
