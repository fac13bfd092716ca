"""Schemas of JSON documents and files."""

from __future__ import annotations

import re
import unicodedata
from typing import Any
from urllib.parse import unquote

from marshmallow import Schema, ValidationError, fields, validate

from schemas.bounded import Bounded
from schemas.fields import ListArgs, Text, list_of, search_field, sort_field
from schemas.numbers import dump_exactly

# --- documents

MAX_KEY_CHARACTERS = 200


class DocumentIn(Bounded):
    key = Text(MAX_KEY_CHARACTERS, 1, required=True)
    value = fields.Raw(required=True, allow_none=True, metadata={"description": "Any JSON."})


class DocumentOut(Schema):
    key = fields.String()
    value: fields.Field[Any] = fields.Raw(allow_none=True)
    owner = fields.String(metadata={"example": "user:7"})
    created_at = fields.DateTime()
    updated_at = fields.DateTime()


class DocumentRow(DocumentOut):
    """One line of CSV: the value as JSON text."""

    value = fields.Function(
        lambda document: dump_exactly(document.value, ensure_ascii=False, separators=(",", ":"))
    )


class DocumentArgs(ListArgs):
    sort = sort_field("id", "key", "created_at", "updated_at")
    after = Text(MAX_KEY_CHARACTERS, 1, metadata={"description": "The last key seen."})  # type: ignore[assignment]


DocumentListOut = list_of(DocumentOut)


# --- files

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(\s*;[\x20-\x7e]*)?")
_SEPARATOR = re.compile(r"[/\\]")


def base_name(name: str) -> str:
    """Return the last part of a name that is a path, quoted or not (RFC 6266, appendix D)."""
    last = _SEPARATOR.split(name)[-1]
    plain = _unquoted(last)
    return _SEPARATOR.split(plain)[-1] if _SEPARATOR.search(plain) else last


def _unquoted(name: str) -> str:
    """Return what is left when there is nothing more to unquote."""
    while (plain := unquote(name)) != name:
        name = plain
    return name


class FileName(Text):
    """A name without the folders that some browsers send before it; never used as a path."""

    def __init__(self) -> None:
        super().__init__(255, 1, required=True)

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> str:
        name = base_name(super()._deserialize(value, attr, data, **kwargs))
        plain = _unquoted(name)
        if plain.strip() in ("", ".", ".."):
            raise ValidationError("A file needs a name.")
        if any(unicodedata.category(character) == "Cc" for character in plain):
            raise ValidationError("A file's name must not contain control characters.")
        return name


class BaseName(fields.String):
    """A name that was stored before such paths were cut comes out without them, too."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str:
        return base_name(value)


class FileIn(Schema):
    """What the head of an uploaded part says."""

    name = FileName()
    content_type = fields.String(
        required=True,
        validate=[
            validate.Length(max=255),
            validate.Regexp(_MEDIA_TYPE.pattern + r"\Z", error="Not a content type."),
        ],
    )


class FileOut(Schema):
    id = fields.Integer()
    name = BaseName()
    content_type = fields.String()
    size = fields.Integer()
    sha256 = fields.String()
    owner = fields.String()
    created_at = fields.DateTime()


class FileArgs(ListArgs):
    sort = sort_field("id", "name", "size", "created_at")
    q = search_field()
    owner = Text(80, 1)


FileListOut = list_of(FileOut)
