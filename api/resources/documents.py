"""Documents: a tool's small store. Any token reads, users write, and what is there is its owner's or an admin's."""

from __future__ import annotations

from typing import Any

from flask import Response, g
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import flag_modified

from api.auth import role_required, token_required
from api.context import app_state
from api.http.blueprint import Blueprint
from api.http.cache import cached_response, write_session
from api.http.etags import check_match, etag_of, etag_response
from api.http.idempotency import idempotent_by_database
from api.http.lists import csv_response, list_page, wants_csv
from gateway.errors import Forbidden, NotFound, fields_error
from models import Document
from schemas.documents import DocumentArgs, DocumentIn, DocumentListOut, DocumentOut, DocumentRow

blueprint = Blueprint("data", __name__, description="JSON documents: a small store.")
_one, _row, _list = DocumentOut(), DocumentRow(), DocumentListOut()


@blueprint.get("/data")
@token_required
@blueprint.arguments(DocumentArgs, location="query")
@blueprint.response(200, DocumentListOut)
def list_documents(args: dict[str, Any]) -> Response:
    """Documents, sorted; a page comes ``after`` a key."""

    def read() -> tuple[Any, None]:
        with app_state().database.read_session() as session:
            return _list.dump(
                list_page(session, select(Document), Document, _placed(session, args))
            ), None

    if not wants_csv():
        return cached_response("data", read)
    with app_state().database.read_session() as session:
        place = _placed(session, args)
    return csv_response(select(Document), Document, _row, place)


@blueprint.post("/data")
@role_required("user", "admin")
@blueprint.arguments(DocumentIn, example={"key": "greeting", "value": {"text": "hello"}})
@blueprint.response(201, DocumentOut)
@blueprint.alt_response(200, schema=DocumentOut)
@idempotent_by_database()
def keep_document(given: dict[str, Any]) -> Response:
    """Keep a value under a key: 201 if it is new there, 200 if it replaces another."""
    try:
        return _keep(**given)
    except IntegrityError:  # somebody made it since we looked; now it is there
        return _keep(**given)


@blueprint.get("/data/<key:key>")
@token_required
@blueprint.response(200, DocumentOut)
def get_document(key: str) -> Response:
    """One document."""

    def read() -> tuple[Any, str]:
        with app_state().database.read_session() as session:
            document = _found(session, key)
            return _one.dump(document), etag_of(document)

    return cached_response("data", read)


@blueprint.delete("/data/<key:key>")
@role_required("user", "admin")
@blueprint.response(200)
def delete_document(key: str) -> None:
    """A document of one's own; an admin's is any."""
    with write_session("data") as session:
        document = _found(session, key, lock=True)
        _check_owner(document)
        check_match(document)
        session.delete(document)
        session.flush()


def _keep(key: str, value: Any) -> Response:
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
        return etag_response(_one.dump(document), etag_of(document), status)


def _placed(session: Session, args: dict[str, Any]) -> dict[str, Any]:
    """What was asked of the list, with the id of the document ``after`` which it begins instead of its key."""
    if "after" not in args:
        return args
    last = Document.by_key(session, args["after"])
    if last is None:
        raise fields_error("after", ["There is no such item."])
    return {**args, "after": last.id}


def _found(session: Session, key: str, *, lock: bool = False) -> Document:
    document = (
        None if "\0" in key else Document.by_key(session, key, lock=lock)
    )  # PostgreSQL cannot ask for a NUL
    if document is None:
        raise NotFound("There is no document of this key.")
    return document


def _check_owner(document: Document) -> None:
    """:raises Forbidden: it is neither the caller's nor is the caller an admin."""
    if g.caller.role != "admin" and document.owner != g.caller.id:
        raise Forbidden("The document is somebody else's.")
