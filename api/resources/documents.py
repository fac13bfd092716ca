"""JSON documents: any token reads, users write, the owner or an admin replaces and deletes."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Response, g
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm.attributes import flag_modified

from api.audit import record_if_others
from api.auth import role_required, token_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.cache import cached_response, write_session
from api.http.etags import check_match, etag_of, etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import RowList, csv_response, select_fields, wants_csv
from gateway.errors import Forbidden, NotFound, fields_error
from models import Act, Document, Transaction
from schemas.documents import DocumentArgs, DocumentIn, DocumentListOut, DocumentOut, DocumentRow
from schemas.dump import entity_dumper, row_dumper

blueprint = Blueprint("data", __name__, description="JSON documents: a small store.")
_document_schema = DocumentOut()
_row_schema = DocumentRow()
_dump_document = entity_dumper(_document_schema)
_table = Document.__table__
_select_rows = select_fields(Document, _document_schema)
_select_document = _select_rows.add_columns(_table.c.id, _table.c.version).where(
    _table.c.key == sa.bindparam("key")
)
_documents = RowList(Document, _select_rows, row_dumper(_document_schema), {})


@blueprint.get("/data")
@token_required
@blueprint.arguments(DocumentArgs, location="query")
@blueprint.response(200, DocumentListOut)
def list_documents(args: dict[str, Any]) -> Response:
    """Documents, sorted; a page comes ``after`` a key."""

    def read() -> tuple[Any, None]:
        with app_state().database.read_connection() as connection:
            return _documents.page(connection, _resolve_after(connection, args)), None

    if not wants_csv():
        return cached_response("data", read)
    with app_state().database.read_session() as session:
        place = _resolve_after(session, args)
    return csv_response(_documents, _row_schema, place)


@blueprint.post("/data")
@role_required("user", "admin")
@blueprint.arguments(DocumentIn, example={"key": "greeting", "value": {"text": "hello"}})
@blueprint.response(201, DocumentOut)
@blueprint.alt_response(200, schema=DocumentOut)
@idempotent_by_database()
def keep_document(data: dict[str, Any]) -> Response:
    """Keep a value under a key: 201 if it is new there, 200 if it replaces another."""
    try:
        return _store(**data)
    except IntegrityError:  # another request created it since we looked: replace it
        return _store(**data)


@blueprint.get("/data/<key:key>")
@token_required
@blueprint.response(200, DocumentOut)
def get_document(key: str) -> Response:
    """One document."""

    def read() -> tuple[Any, str]:
        _check_key(key)
        with app_state().database.read_connection() as connection:
            document = connection.execute(_select_document, {"key": key}).first()
        if document is None:
            raise _missing()
        return _dump_document(document), etag_of(document)

    return cached_response("data", read)


@blueprint.delete("/data/<key:key>")
@role_required("user", "admin")
@blueprint.response(200)
def delete_document(key: str) -> None:
    """A document of one's own; an admin's is any."""
    with write_session("data") as session:
        _check_key(key)
        document = Document.by_key(session, key, lock=True)
        if document is None:
            raise _missing()
        _check_owner(document)
        check_match(document)
        session.delete(document)
        session.flush()
        record_if_others(session, document.owner, Act("data.delete", f"data:{key}"))


def _store(key: str, value: Any) -> Response:
    with write_session("data") as session:
        document = Document.by_key(session, key, lock=True)
        status = 200 if document else 201
        if document:
            _check_owner(document)
        check_match(document)
        if document is None:
            document = Document(key=key, owner=g.caller.id)
            session.add(document)
        document.value = value
        flag_modified(document, "value")  # or 1.0 would not replace 1, which it equals
        session.flush()
        record_if_others(session, document.owner, Act("data.replace", f"data:{key}"))
        return etag_response(_dump_document(document), etag_of(document), status)


def _resolve_after(session: Transaction, args: dict[str, Any]) -> dict[str, Any]:
    """Return the list's arguments with the id of the document ``after`` in place of its key."""
    if "after" not in args:
        return args
    last_id = session.execute(sa.select(Document.id).where(Document.key == args["after"])).scalar()
    if last_id is None:
        raise fields_error("after", ["There is no such item."])
    return {**args, "after": last_id}


def _check_key(key: str) -> None:
    """:raises NotFound: it has a NUL, which PostgreSQL refuses in a parameter."""
    if "\0" in key:
        raise _missing()


def _missing() -> NotFound:
    return NotFound(
        "There is no document of this key; GET /api/v1/data lists those that there are."
    )


def _check_owner(document: Document) -> None:
    """:raises Forbidden: the caller is neither the owner nor an admin."""
    if g.caller.role != "admin" and document.owner != g.caller.id:
        raise Forbidden(
            "The document is somebody else's, who may change it, as admins may; take another key."
        )
