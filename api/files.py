"""Files: streamed to disk and back; each is its owner's, and admins'."""

from __future__ import annotations

import uuid
from typing import Any

from flask import Response, g
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from api.auth import always, role_required, token_required
from api.blueprint import Blueprint
from api.cached import cached, only_me, writing
from api.claims import ask, idempotent
from api.conditional import answer
from api.downloads import check_file_match, download
from api.lists import as_csv, page, search, wants_csv
from api.multipart import form_boundary
from api.parts import parts
from api.uploads import described, over_quota, read_file
from gateway.errors import NotFound
from models import File
from schemas.files import FileArgs, FileListOut, FileOut

blueprint = Blueprint("files", __name__, description="Files that tools leave here.")
_one, _list = FileOut(), FileListOut()
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
@idempotent(asked=described)
def upload_file() -> Response:
    """A new file, as the field ``file`` of a form; an app that signs declares the body's X-Content-SHA256."""
    boundary, stored_as = form_boundary(), uuid.uuid4().hex
    with parts().files.pending(stored_as):
        received = _received(stored_as, boundary)
        ask(received)
        with writing("files") as session:
            if received["size"] > _room(session):
                raise over_quota()
            file = File(**received, stored_as=stored_as, owner=g.caller.id)
            session.add(file)
            session.flush()
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
    with parts().files.writing(stored_as) as out:
        return read_file(boundary, room, out.write)


def _room(session: Session) -> int:
    """Bytes that the caller may still store."""
    return parts().settings.files_quota - File.used(session, g.caller.id)
