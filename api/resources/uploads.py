"""An upload: the one file of a form, read as it arrives."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from marshmallow import ValidationError

from api.auth.wiring import auth_services
from api.context import app_state
from api.errors import TooLarge
from api.http.bodies import iter_body
from api.http.bodies.multipart import PartHead, form_boundary, read_form
from gateway.errors import InvalidParams, fields_error
from schemas.documents import FileIn

MISSING = "Missing data for required field."  # as schemas say it

_file_schema = FileIn()


def describe_upload() -> dict[str, Any]:
    """Read this request's file without storing it: it may be stored already."""
    return read_file(form_boundary(), app_state().settings.max_upload, len)


def read_file(boundary: bytes, max_bytes: int, write: Callable[[bytes], int]) -> dict[str, Any]:
    """Read the form's one file; return its name, content type, size and SHA-256.

    :param max_bytes: that the owner may still store.
    """
    head: dict[str, Any] | None = None
    size = 0
    digest = hashlib.sha256()
    form = read_form(iter_body(app_state().settings.max_upload), boundary)
    for piece in form:
        if isinstance(piece, PartHead):
            if piece.name != "file":
                fields = {piece.name: ["Unknown field."]}
                if head is None and not _has_file(form):
                    fields["file"] = [MISSING]
                raise InvalidParams(fields=fields)
            head = _check_head(piece, head)
            continue
        size += len(piece)
        if size > max_bytes:
            raise over_quota()
        digest.update(piece)
        write(piece)
        auth_services().clock.sleep(0)  # or a fast sender would hold up the other greenlets
    if head is None:
        raise fields_error("file", [MISSING])
    return {**head, "size": size, "sha256": digest.hexdigest()}


def _has_file(rest: Iterator[PartHead | bytes]) -> bool:
    """Return whether the rest of a form has a file; it is read to find out, and not kept."""
    for piece in rest:
        if isinstance(piece, PartHead) and piece.name == "file":
            return True
        auth_services().clock.sleep(0)
    return False


def _check_head(head: PartHead, before: dict[str, Any] | None) -> dict[str, Any]:
    if before is not None:
        raise fields_error("file", ["Given more than once."])
    if head.filename is None:
        raise fields_error("file", ["Not a file: it has no filename."])
    try:
        columns: dict[str, Any] = _file_schema.load(
            {"name": head.filename, "content_type": head.content_type}
        )
    except ValidationError as error:
        problems = [text for texts in error.messages_dict.values() for text in texts]
        raise fields_error("file", problems) from error
    kind = head.content_type.partition(";")[0].strip().lower()
    patterns = app_state().settings.files_allow
    if not any(fnmatch.fnmatchcase(kind, pattern.lower()) for pattern in patterns):
        allowed = ", ".join(patterns)
        raise fields_error("file", [f"Files of this type are not taken; allowed: {allowed}."])
    return columns


def over_quota() -> TooLarge:
    quota = app_state().settings.files_quota
    return TooLarge(
        f"Your files would take more than the {quota} bytes that you may store; delete some first."
    )
