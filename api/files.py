"""Files: streamed to disk and back; each is its owner's, and admins'."""

from __future__ import annotations

import fnmatch
import hashlib
import uuid
from typing import Any

from flask import Response, g
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from api.auth import always, role_required, token_required
from api.blueprint import Blueprint
from api.body import body_chunks
from api.cached import cached, only_me, writing
from api.conditional import answer
from api.downloads import check_file_match, download
from api.errors import TooLarge
from api.identity import identity
from api.lists import as_csv, page, search, wants_csv
from api.multipart import Head, form_boundary, read_form
from api.parts import parts
from gateway.errors import NotFound, fields_error
from models import File
from schemas.files import FileArgs, FileIn, FileListOut, FileOut

blueprint = Blueprint("files", __name__, description="Files that tools leave here.")
_in, _one, _list = FileIn(), FileOut(), FileListOut()
_BYTES = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": _BYTES["schema"]},
    "additionalProperties": False,
}


@blueprint.post("/files")
@role_required("user", "admin", streamed=always)
@blueprint.doc(requestBody={"required": True, "content": {"multipart/form-data": {"schema": _FORM}}})
@blueprint.response(201, FileOut)
def upload_file() -> Response:
    """A new file, as the field ``file`` of a form; an app that signs declares the body's X-Content-SHA256."""
    boundary, stored_as = form_boundary(), uuid.uuid4().hex
    with parts().files.pending(stored_as):
        file = File(**_received(stored_as, boundary), stored_as=stored_as, owner=g.caller.id)
        with writing("files") as session:
            if file.size > _room(session):
                raise _over_quota()
            session.add(file)
    return answer(_one.dump(file), file.sha256, 201)


@blueprint.get("/files")
@token_required
@blueprint.arguments(FileArgs, location="query")
@blueprint.response(200, FileListOut)
def list_files(args: dict[str, Any]) -> Response:
    """One's own files; all for admins."""
    query = _visible()
    if "q" in args:
        query = query.where(search(args["q"], File.name))
    if "owner" in args:
        query = query.where(File.owner == args["owner"])
    if wants_csv():
        return as_csv(query, File, _one, args)

    def read() -> tuple[Any, None]:
        with parts().database.reading() as session:
            return _list.dump(page(session, query, File, args)), None

    return cached("files", read, seen_by=only_me())


@blueprint.get("/files/<id:file_id>")
@token_required
@blueprint.doc(responses={"200": {"description": "The bytes.", "content": {"application/octet-stream": _BYTES}}})
def download_file(file_id: int) -> Response:
    """The bytes of one file, or a range of them."""
    with parts().database.reading() as session:
        file = _found(session, file_id)
    return download(file)


@blueprint.delete("/files/<id:file_id>")
@token_required
@blueprint.response(200)
def delete_file(file_id: int) -> None:
    """One file, by its owner or an admin. Who is downloading it gets it whole."""
    with parts().database.reading() as session:
        stored_as = _found(session, file_id).stored_as
    with parts().files.pending(stored_as), writing("files") as session:
        file = _found(session, file_id)
        check_file_match(file)
        session.delete(file)


def _visible() -> Select[Any]:
    return select(File) if g.caller.role == "admin" else select(File).where(File.owner == g.caller.id)


def _found(session: Session, file_id: int) -> File:
    file: File | None = session.scalar(_visible().where(File.id == file_id))
    if file is None:
        raise NotFound(f"There is no file {file_id}.")
    return file


def _received(stored_as: str, boundary: bytes) -> dict[str, Any]:
    """The form's one file, on the disk: what is known of it."""
    with parts().database.reading() as session:
        room = _room(session)
    given: dict[str, Any] | None = None
    size, digest = 0, hashlib.sha256()
    with parts().files.writing(stored_as) as out:
        for piece in read_form(body_chunks(parts().settings.max_upload), boundary):
            if isinstance(piece, Head):
                given = _accepted(piece, given)
                continue
            size += len(piece)
            if size > room:
                raise _over_quota()
            digest.update(piece)
            out.write(piece)
            identity().clock.sleep(0)  # a fast sender would not let other greenlets have their turn
        if given is None:
            raise fields_error("file", ["Missing data for required field."])
    return {**given, "size": size, "sha256": digest.hexdigest()}


def _accepted(head: Head, before: dict[str, Any] | None) -> dict[str, Any]:
    if head.name != "file":
        raise fields_error(head.name, ["Unknown field."])
    if before is not None:
        raise fields_error("file", ["Given more than once."])
    if head.filename is None:
        raise fields_error("file", ["Not a file: it has no filename."])
    problems = _in.validate({"name": head.filename, "content_type": head.content_type})
    if problems:
        raise fields_error("file", [text for texts in problems.values() for text in texts])
    given: dict[str, Any] = _in.load({"name": head.filename, "content_type": head.content_type})
    kind = head.content_type.partition(";")[0].strip().lower()
    if not any(fnmatch.fnmatchcase(kind, allowed.lower()) for allowed in parts().settings.files_allow):
        raise fields_error("file", [f"Files of this type are not taken; allowed: {_allowed()}."])
    return given


def _allowed() -> str:
    return ", ".join(parts().settings.files_allow)


def _room(session: Session) -> int:
    """Bytes that the caller may still store."""
    return parts().settings.files_quota - File.used(session, g.caller.id)


def _over_quota() -> TooLarge:
    quota = parts().settings.files_quota
    return TooLarge(f"Your files would take more than the {quota} bytes that you may store; delete some first.")
