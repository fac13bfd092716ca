"""Every exception that can leave a view, as the error that a caller is told of."""

from __future__ import annotations

import sqlite3

from flask import Flask, Response, g, request
from marshmallow import ValidationError
from sqlalchemy.exc import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm.exc import StaleDataError
from werkzeug.exceptions import HTTPException

from api.context import app_state
from api.errors import (
    ALREADY_EXISTS,
    DatabaseAway,
    MalformedBody,
    MethodNotAllowed,
    NoRoom,
    NotAcceptable,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    WriteUnknown,
    error_response,
)
from gateway.errors import Conflict, GatewayError, InvalidParams, NotFound
from gateway.masking import path_shown
from gateway.system import shortage
from models import CommitUnknown, taken_column

READ_ONLY = "25006"  # PostgreSQL's SQLSTATE


def register(app: Flask) -> None:
    """Have Flask answer each of them with the envelope."""
    app.register_error_handler(GatewayError, error_response)
    app.register_error_handler(
        ValidationError, lambda error: error_response(InvalidParams(fields=error.messages_dict))
    )
    app.register_error_handler(IntegrityError, clash)
    for away in (OperationalError, InterfaceError, InternalError, PoolTimeout):
        app.register_error_handler(away, database_away)
    app.register_error_handler(CommitUnknown, write_unknown)
    for kind in (OSError, MemoryError, RuntimeError):
        app.register_error_handler(kind, no_room)
    app.register_error_handler(DataError, unfit)
    app.register_error_handler(StaleDataError, lambda error: error_response(PreconditionFailed()))
    app.register_error_handler(HTTPException, lambda error: error_response(translate(error)))
    app.register_error_handler(Exception, unforeseen)
    app.teardown_request(_forget_routing)


def translate(error: HTTPException) -> GatewayError:
    """What werkzeug and Flask raise, in our words."""
    if error.code == 405:
        return MethodNotAllowed(", ".join(sorted(getattr(error, "valid_methods", None) or ())))
    known = {404: NotFound, 406: NotAcceptable, 415: UnsupportedMediaType}.get(error.code or 500)
    if error.code == 413 and request.max_content_length:
        return TooLarge.over(request.max_content_length)
    if known:
        return known()
    if error.code and 300 <= error.code < 500:
        return MalformedBody("The request could not be understood.")
    return GatewayError()


def clash(error: IntegrityError) -> Response:
    """409; of a value that may be there once only, naming its field."""
    column = taken_column(error)
    fields = {column: [ALREADY_EXISTS]} if column else None
    return error_response(Conflict(fields=fields, detail=type(error.orig).__name__))


def database_away(error: SQLAlchemyError) -> Response:
    """-5001: nothing was kept, and the same request may do better in a moment."""
    cause = getattr(error, "orig", None)
    if (
        getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_ERROR
    ):  # a wrong statement, not a database away
        return unforeseen(error)
    if isinstance(error, InternalError) and getattr(cause, "sqlstate", None) != READ_ONLY:
        return unforeseen(error)
    told = cause or error  # not the whole of it: that quotes the statement and its values
    app_state().log.error(
        "database", request_id=g.get("request_id"), kind=type(told).__name__, error=str(told)
    )
    return error_response(DatabaseAway(retry_after=1))


def write_unknown(error: CommitUnknown) -> Response:
    """-5002: who sends it again without a look may do it twice."""
    cause = getattr(error.__cause__, "orig", error)
    app_state().log.error(
        "database",
        request_id=g.get("request_id"),
        kind=type(cause).__name__,
        error=f"COMMIT: {cause}",
    )
    return error_response(WriteUnknown(repeatable=g.get("repeatable", False)))


def no_room(error: Exception) -> Response:
    """-5001 where a disk, descriptors or memory of ours are away or full; any other such error is unforeseen."""
    problem = shortage(error)
    if not problem:
        return unforeseen(error)
    path = path_shown(request.path)
    app_state().log.error(
        "no_room", request_id=g.get("request_id"), path=path, problem=problem, error=str(error)
    )
    return error_response(NoRoom())


def unfit(error: DataError) -> Response:
    """A value that passed the schema and not the database: a NUL in a text, a number beyond its column."""
    kind = type(error.orig).__name__
    app_state().log.warning("unfit", request_id=g.get("request_id"), path=request.path, kind=kind)
    return error_response(InvalidParams("A value cannot be stored as it is."))


def _forget_routing(_: BaseException | None) -> None:
    request.routing_exception = (
        None  # its traceback has the request, which would stay until garbage is collected
    )


def unforeseen(error: Exception) -> Response:
    app_state().log.error(
        "unforeseen", request_id=g.get("request_id"), path=path_shown(request.path), exc_info=error
    )
    return error_response(GatewayError())
