"""Every exception that can leave a view, as the error that its caller gets."""

from __future__ import annotations

import sqlite3

from flask import Flask, Response, current_app, g, request
from marshmallow import ValidationError
from sqlalchemy import exc
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from api import errors
from api.context import app_state
from api.http.error_response import error_response
from gateway.errors import Conflict, GatewayError, InvalidParams, NotFound
from gateway.masking import mask_path
from gateway.system import describe_shortage
from models import CommitUnknown, duplicate_column

READ_ONLY = "25006"  # PostgreSQL's SQLSTATE


def register(app: Flask) -> None:
    """Have Flask answer every exception with the envelope."""
    handle = app.register_error_handler
    handle(GatewayError, error_response)
    handle(ValidationError, lambda error: error_response(InvalidParams(fields=error.messages_dict)))
    handle(HTTPException, lambda error: error_response(translate(error)))
    handle(StaleDataError, lambda error: error_response(errors.PreconditionFailed()))
    handle(exc.IntegrityError, handle_conflict)
    handle(exc.DataError, handle_data_error)
    for away in (exc.OperationalError, exc.InterfaceError, exc.InternalError, exc.TimeoutError):
        handle(away, handle_database_away)
    handle(CommitUnknown, handle_commit_unknown)
    for shortage in (OSError, MemoryError, RuntimeError):
        handle(shortage, handle_shortage)
    handle(Exception, handle_unforeseen)


def translate(error: HTTPException) -> GatewayError:
    """Return the error for an exception of werkzeug or Flask."""
    status = error.code or 500
    if status == 404:
        return _no_route()
    if status == 405:
        verbs = getattr(error, "valid_methods", None) or ()
        return errors.MethodNotAllowed.instead_of(request.method, verbs)
    if status == 406:
        return errors.NotAcceptable()
    if status == 413 and request.max_content_length:
        return errors.TooLarge.over(request.max_content_length)
    if status == 415:
        return errors.UnsupportedMediaType()
    if 300 <= status < 500:
        return errors.MalformedBody("The request could not be understood; compare it with /docs.")
    return GatewayError()


def _no_route() -> NotFound:
    """Return the failure of an address that no route has, with those that are near."""
    near = current_app.url_map.near(request.path)  # type: ignore[attr-defined]
    if not near:
        return NotFound()
    return NotFound(
        f"There is nothing at this address; near it is {' or '.join(near)}. /docs lists all."
    )


def handle_conflict(error: exc.IntegrityError) -> Response:
    """Answer 409, naming the field of a value that may be there once only."""
    column = duplicate_column(error)
    fields = None
    if column:
        fields = {column: [errors.ALREADY_EXISTS]}
    return error_response(Conflict(fields=fields, detail=type(error.orig).__name__))


def handle_database_away(error: exc.SQLAlchemyError) -> Response:
    """Answer -5001: nothing was stored, and the same request may do better in a moment."""
    cause = getattr(error, "orig", None)
    # A wrong statement, not a database that is away.
    if getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR:
        return handle_unforeseen(error)
    if isinstance(error, exc.InternalError) and getattr(cause, "sqlstate", None) != READ_ONLY:
        return handle_unforeseen(error)
    reason = cause or error  # not SQLAlchemy's own text: that quotes the statement and its values
    app_state().log.error(
        "database", request_id=g.request_id, kind=type(reason).__name__, error=str(reason)
    )
    return error_response(errors.DatabaseAway(retry_after=1))


def handle_commit_unknown(error: CommitUnknown) -> Response:
    """Answer -5002: a caller who sends it again without a look may do it twice."""
    cause = getattr(error.__cause__, "orig", error)
    app_state().log.error(
        "database",
        request_id=g.request_id,
        kind=type(cause).__name__,
        error=f"COMMIT: {cause}",
    )
    return error_response(errors.WriteUnknown(repeatable=g.repeatable))


def handle_shortage(error: Exception) -> Response:
    """Answer -5001 if a disk, descriptors or memory are away or full; others are unforeseen."""
    problem = describe_shortage(error)
    if not problem:
        return handle_unforeseen(error)
    path = mask_path(request.path)
    app_state().log.error(
        "no_room", request_id=g.request_id, path=path, problem=problem, error=str(error)
    )
    return error_response(errors.NoRoom())


def handle_data_error(error: exc.DataError) -> Response:
    """Answer a value that only the database refuses: a NUL in a text, too large a number."""
    kind = type(error.orig).__name__
    app_state().log.warning("unfit", request_id=g.request_id, path=request.path, kind=kind)
    return error_response(
        InvalidParams("A value cannot be stored as it is: send no NUL, and no number over 2^63.")
    )


def handle_unforeseen(error: Exception) -> Response:
    app_state().log.error(
        "unforeseen", request_id=g.request_id, path=mask_path(request.path), exc_info=error
    )
    return error_response(GatewayError())
