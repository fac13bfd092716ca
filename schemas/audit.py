"""The audit log."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from schemas.fields import ListArgs, Text, list_of, since_field, sort_field

MAX_FILTER_CHARACTERS = 255


class AuditEventOut(Schema):
    id = fields.Integer()
    created_at = fields.DateTime()
    actor = fields.String(
        metadata={"description": "user:7, app:shop, or cli:ann of a command's user on its machine."}
    )
    action = fields.String(metadata={"example": "user.set_role"})
    object = fields.String(metadata={"example": "user:7"})
    name = fields.String(
        allow_none=True, metadata={"description": "Of the object, as it was called then."}
    )
    changed: fields.Field[Any] = fields.Dict(
        metadata={
            "description": "What was changed; the new values of role, disabled, allow and rate, "
            "null for all others."
        }
    )
    address: fields.Field[Any] = fields.String(
        allow_none=True,
        metadata={"description": "Of the caller, or the name of the machine of a command."},
    )
    request_id = fields.String(allow_none=True)


class AuditEventRow(AuditEventOut):
    """One line of CSV."""

    changed = fields.Function(lambda event: changed_words(event.changed))


def changed_words(changed: dict[str, Any]) -> str:
    """Return ``{"role": "admin", "email": None}`` as ``email role=admin``."""
    return " ".join(
        name if value is None else f"{name}={_word(value)}" for name, value in changed.items()
    )


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ",".join(value)
    return str(value)


class AuditArgs(ListArgs):
    sort = sort_field("id", "created_at")
    actor = Text(MAX_FILTER_CHARACTERS, 1, metadata={"example": "user:1"})
    action = Text(MAX_FILTER_CHARACTERS, 1, metadata={"example": "user.set_role"})
    object = Text(MAX_FILTER_CHARACTERS, 1, metadata={"example": "user:7"})
    since = since_field()


AuditEventListOut = list_of(AuditEventOut)
