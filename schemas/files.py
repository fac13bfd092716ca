"""Files: what is told of one, and what a name or a content type may be."""

from __future__ import annotations

import re
import unicodedata

from marshmallow import Schema, ValidationError, fields, validate

from schemas.fields import Text
from schemas.lists import ListArgs, list_of, search_field, sort_field

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(\s*;[\x20-\x7e]*)?")


class FileName(Text):
    """As it was given, but for the folders that some browsers send before it; never used as a path."""

    def __init__(self) -> None:
        super().__init__(255, 1, required=True)

    def _deserialize(self, value: object, attr: str | None, data: object, **kwargs: object) -> str:
        name = re.split(r"[/\\]", super()._deserialize(value, attr, data, **kwargs))[-1]
        if name.strip() in ("", ".", ".."):
            raise ValidationError("A file needs a name.")
        if any(unicodedata.category(character) == "Cc" for character in name):
            raise ValidationError("A file's name must not contain control characters.")
        return name


class FileIn(Schema):
    """What the head of an uploaded part says."""

    name = FileName()
    content_type = fields.String(
        required=True,
        validate=[validate.Length(max=255), validate.Regexp(_MEDIA_TYPE.pattern + r"\Z", error="Not a content type.")],
    )


class FileOut(Schema):
    id = fields.Integer()
    name = fields.String()
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
