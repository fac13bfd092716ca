"""Files: streamed to disk and back; each is its owner's, and admins'."""

from __future__ import annotations

import re
import uuid
from typing import Any, cast
from urllib.parse import quote

import sqlalchemy as sa
from flask import Response, g, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestedRangeNotSatisfiable
from werkzeug.http import parse_date
from werkzeug.utils import send_file

from api.audit import record_if_others
from api.auth import always_streamed, role_required, token_required
from api.context import app_state
from api.errors import RangeNotSatisfiable
from api.http.blueprint import Blueprint
from api.http.bodies.multipart import form_boundary
from api.http.cache import caller_cache_key, write_session
from api.http.etags import check_etag, etag_response
from api.http.idempotency import idempotent_by_database, set_fingerprint
from api.http.lists import RowList, cached_list_response, search, select_fields
from api.resources.uploads import describe_upload, over_quota, read_file
from gateway.errors import NotFound
from models import Act, File
from schemas.documents import FileArgs, FileListOut, FileOut, base_name
from schemas.dump import entity_dumper, row_dumper

# --- downloads (RFC 9110, 13 and 14)

_ONE_RANGE = re.compile(
    r"\s*bytes\s*=\s*(?:([0-9]{1,300})-([0-9]{0,300})|-([0-9]{1,300}))\s*", re.IGNORECASE
)
#: What is left of a name without an ASCII letter; a browser reads ``filename*``, curl does not.
_ENDING_ALONE = re.compile(r'^attachment; filename="?\s*(\.\w[\w.]*)?\.?"?(?=; filename\*)')


def download(file: File) -> Response:
    """Answer the whole file or a range, as an attachment: a browser must not run an upload."""
    check_etag(file.sha256)
    response = _send_file(file)
    if app_state().settings.files_accel and _is_plain(response):
        response = _send_by_nginx(file, response)
    response.headers["Content-Type"] = file.content_type
    # Compressed, it would have no ranges.
    response.headers["Cache-Control"] = "private, no-cache, no-transform"
    return response


def _send_file(file: File) -> Response:
    try:
        response = send_file(
            app_state().files.path(file.stored_as),
            _conditions(file),
            as_attachment=True,
            download_name=base_name(file.name),
            conditional=True,
            etag=file.sha256,
            last_modified=file.created_at,
            response_class=Response,
        )
    except RequestedRangeNotSatisfiable as error:
        raise RangeNotSatisfiable(file.size) from error
    except FileNotFoundError as error:  # deleted since its row was read
        raise NotFound from error
    disposition = response.headers["Content-Disposition"]
    disposition = _ENDING_ALONE.sub(r"attachment; filename=file\1", disposition)
    response.headers["Content-Disposition"] = disposition
    response.headers["Accept-Ranges"] = "bytes"
    return cast(Response, response)


def _is_plain(response: Response) -> bool:
    """Return whether nginx would answer the request as we do.

    It would not where it has no word for it (an envelope), reads a range otherwise, or compares
    with a time or an ETag of its own.
    """
    ranged = response.status_code == 206 or (
        response.status_code == 200 and "Range" not in request.headers
    )
    return ranged and not any(
        name in request.headers for name in ("If-Match", "If-Unmodified-Since")
    )


def _send_by_nginx(file: File, streamed: Response) -> Response:
    """Answer without the body: nginx sends it, or a range of it, under this ETag and time."""
    streamed.close()
    response = Response()
    for name in ("Content-Disposition", "ETag", "Last-Modified", "Accept-Ranges"):
        response.headers[name] = streamed.headers[name]
    response.headers["X-Accel-Redirect"] = quote(
        app_state().settings.files_accel + app_state().files.place(file.stored_as)
    )
    return response


def _conditions(file: File) -> dict[str, Any]:
    """Return the environ with the one range that counts; werkzeug would refuse others."""
    environ = dict(request.environ)
    for name in ("HTTP_RANGE", "HTTP_IF_RANGE", "HTTP_IF_MATCH"):
        environ.pop(name, None)
    if byte_range := _range(file):
        environ["HTTP_RANGE"] = byte_range
    return environ


def _range(file: File) -> str | None:
    if request.method != "GET":  # RFC 9110, 14.2
        return None
    match = _ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    if not match or request.if_none_match.contains_weak(file.sha256) or not _if_range_holds(file):
        return None
    first, last, suffix = (int(digits) if digits else None for digits in match.groups())
    if suffix is not None:
        return f"bytes=-{min(suffix, file.size)}"
    if first is not None and last is not None and last < first:
        return None
    return f"bytes={first}-{'' if last is None else last}"


def _if_range_holds(file: File) -> bool:
    """Compare strongly: a weak ETag never holds, a date only exactly."""
    condition = request.headers.get("If-Range")
    if condition is None or condition == f'"{file.sha256}"':
        return True
    return parse_date(condition) == file.created_at.replace(microsecond=0)


# --- views

blueprint = Blueprint("files", __name__, description="Files that tools leave here.")
_file_schema = FileOut()
_dump_file = entity_dumper(_file_schema)
_table = File.__table__
_files = RowList(
    File,
    select_fields(File, _file_schema),
    row_dumper(_file_schema),
    {
        "q": lambda text: search(text, _table.c.name),
        "owner": lambda owner: _table.c.owner == owner,
        "visible_to": lambda owner: _table.c.owner == owner,
    },
)
_BYTES = {"type": "string", "format": "binary"}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": _BYTES},
    "additionalProperties": False,
}


@blueprint.post("/files")
@role_required("user", "admin", streamed=always_streamed)
@blueprint.doc(
    requestBody={"required": True, "content": {"multipart/form-data": {"schema": _FORM}}}
)
@blueprint.response(201, FileOut)
@idempotent_by_database(read=describe_upload)
def upload_file() -> Response:
    """A new file, as the field ``file`` of a form; an app that signs declares the body's X-Content-SHA256."""  # noqa: E501  # the summary in the OpenAPI file
    boundary = form_boundary()
    stored_as = uuid.uuid4().hex
    with app_state().files.pending(stored_as):
        received = _receive(stored_as, boundary)
        set_fingerprint(received)
        with write_session("files") as session:
            if received["size"] > _free_bytes(session):
                raise over_quota()
            file = File(**received, stored_as=stored_as, owner=g.caller.id)
            session.add(file)
            session.flush()
            return etag_response(_dump_file(file), file.sha256, 201)


@blueprint.get("/files")
@token_required
@blueprint.arguments(FileArgs, location="query")
@blueprint.response(200, FileListOut)
def list_files(args: dict[str, Any]) -> Response:
    """One's own files; all for admins."""
    if g.caller.role != "admin":
        args = {**args, "visible_to": g.caller.id}
    return cached_list_response("files", _files, _file_schema, args, audience=caller_cache_key())


@blueprint.get("/files/<id:file_id>")
@token_required
@blueprint.doc(
    responses={
        "200": {
            "description": "The bytes.",
            "content": {"application/octet-stream": {"schema": _BYTES}},
        }
    }
)
def download_file(file_id: int) -> Response:
    """The bytes of one file, or a range of them."""
    with app_state().database.read_session() as session:
        file = _get_file(session, file_id)
    return download(file)


@blueprint.delete("/files/<id:file_id>")
@token_required
@blueprint.response(200)
def delete_file(file_id: int) -> None:
    """One file, by its owner or an admin. Who is downloading it gets it whole."""
    with app_state().database.read_session() as session:
        stored_as = _get_file(session, file_id).stored_as
    with app_state().files.pending(stored_as), write_session("files") as session:
        file = _get_file(session, file_id)
        check_etag(file.sha256)
        session.delete(file)
        act = Act("file.delete", f"file:{file_id}", file.name)
        record_if_others(session, file.owner, act)


def _get_file(session: Session, file_id: int) -> File:
    query = sa.select(File).where(File.id == file_id)
    if g.caller.role != "admin":
        query = query.where(File.owner == g.caller.id)
    file = session.scalar(query)
    if file is None:
        raise NotFound(f"There is no file {file_id}; GET /api/v1/files lists those that there are.")
    return file


def _receive(stored_as: str, boundary: bytes) -> dict[str, Any]:
    """Write the form's one file to the disk and return its columns."""
    with app_state().database.read_session() as session:
        max_bytes = _free_bytes(session)
    with app_state().files.writing(stored_as) as out:
        return read_file(boundary, max_bytes, out.write)


def _free_bytes(session: Session) -> int:
    """Return the bytes that the caller may still store."""
    return app_state().settings.files_quota - File.total_bytes(session, g.caller.id)
