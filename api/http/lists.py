"""Lists of rows: a page by offset or by key, filtered, sorted, as JSON or CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from flask import Response, request, stream_with_context
from marshmallow import Schema
from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    bindparam,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.orm import Session

from api.context import app_state
from api.errors import NotAcceptable
from gateway.errors import fields_error

DEFAULT_SKIP = 0
DEFAULT_LIMIT = 10
PAGING_PARAMS = {
    "skip",
    "limit",
    "after",
    "sort",
}  # of any list; other parameters are filters
MAX_BUFFERED_ROWS = 500  # of a CSV, in memory
# What a spreadsheet would run (OWASP, "CSV Injection"), and its full-width forms (Japanese Excel).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def list_page(
    session: Session, query: Select[Any], model: Any, args: Mapping[str, Any]
) -> dict[str, Any]:
    """Return ``{"items", "total", "skip", "limit"}`` of a filtered query, ordered by ``args``."""
    total = _total(session, query, args)
    bounds = _bounds(args)
    rows = session.scalars(_bounded(_ordered(session, query, model, args)), bounds)
    return {"items": rows.all(), "total": total, **bounds}


def list_row_page(
    connection: Connection,
    query: Select[Any],
    args: Mapping[str, Any],
    render: Callable[[Any], Any],
) -> dict[str, Any]:
    """Return the same of a query for columns, half the cost if it is the same object each time.

    :param render: makes an item of a row.
    """
    total = _total(connection, query, args)
    bounds = _bounds(args)
    if "after" in args:
        statement = _bounded(_ordered(connection, query, query.selected_columns, args))
    else:
        statement = _first_pages(query, args.get("sort", "id"))
    rows = connection.execute(statement, bounds)
    return {"items": [render(row) for row in rows.all()], "total": total, **bounds}


def search(text: str, *columns: Any) -> ColumnElement[bool]:
    """Match rows with the text, in any case, in one of the columns; ``%`` and ``_`` are literal."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _total(session: Session | Connection, query: Select[Any], args: Mapping[str, Any]) -> int:
    totals = app_state().database.row_counts
    if "after" in args:  # a count takes as long as a list: by key it is not made for every page
        return totals.recent(session, query)
    return totals.count(session, query)


def _bounds(args: Mapping[str, Any]) -> dict[str, int]:
    return {"skip": args.get("skip", DEFAULT_SKIP), "limit": args.get("limit", DEFAULT_LIMIT)}


def _bounded(query: Select[Any]) -> Select[Any]:
    return query.offset(bindparam("skip", type_=Integer)).limit(bindparam("limit", type_=Integer))


@lru_cache(maxsize=128)  # to build a statement takes longer than to run it
def _first_pages(query: Select[Any], sort: str) -> Select[Any]:
    return _bounded(_sorted(query, query.selected_columns, sort))


def _ordered(
    session: Session | Connection, query: Select[Any], model: Any, args: Mapping[str, Any]
) -> Select[Any]:
    sort = args.get("sort", "id")
    if "after" in args:
        name = sort.removeprefix("-")
        keys = tuple_(*_keys(model, name))
        place = _place(session, model, name, args["after"])
        if sort.startswith("-"):
            query = query.where(keys < place)
        else:
            query = query.where(keys > place)
    return _sorted(query, model, sort)


def _sorted(query: Select[Any], model: Any, sort: str) -> Select[Any]:
    keys = _keys(model, sort.removeprefix("-"))
    if sort.startswith("-"):
        return query.order_by(*(key.desc() for key in keys))
    return query.order_by(*(key.asc() for key in keys))


def _keys(model: Any, name: str) -> tuple[Any, ...]:
    if name == "id":
        return (model.id,)
    return getattr(model, name), model.id


def _place(session: Session | Connection, model: Any, name: str, after: int) -> Any:
    """Return where the item ``after`` stands in the order.

    :raises InvalidParams: there is no such item.
    """
    if name == "id":
        return tuple_(after)
    column = getattr(model, name)
    value = session.scalar(select(column).where(model.id == after))
    if value is None:
        raise fields_error("after", ["There is no such item."])
    return tuple_(literal(value, column.type), after)


def wants_csv() -> bool:
    """Return whether ``Accept`` prefers CSV to JSON.

    :raises NotAcceptable: it allows neither.
    """
    if not request.accept_mimetypes:
        return False
    best = request.accept_mimetypes.best_match(["application/json", "text/csv"])
    if best is None:
        raise NotAcceptable
    return best == "text/csv"


def csv_response(
    query: Select[Any], model: Any, schema: Schema, args: Mapping[str, Any]
) -> Response:
    """Return the list as CSV (RFC 4180), streamed: one page or, without ``limit``, all of it."""
    with app_state().database.read_session() as session:
        ordered = (
            _ordered(session, query, model, args)
            .offset(args.get("skip", DEFAULT_SKIP))
            .limit(args.get("limit"))
        )
    names = list(schema.fields)
    response = Response(
        stream_with_context(_csv_lines(ordered, names, schema)), mimetype="text/csv"
    )
    response.headers["Content-Disposition"] = f'attachment; filename="{model.__tablename__}.csv"'
    return response


def _csv_lines(query: Select[Any], names: Sequence[str], schema: Schema) -> Iterator[str]:
    yield _line(names)
    with app_state().database.read_session() as session:
        for row in session.scalars(query.execution_options(yield_per=MAX_BUFFERED_ROWS)):
            dumped = schema.dump(row)
            yield _line([_cell(dumped[name]) for name in names])


def _cell(value: Any) -> Any:
    """Return the value; a text that a spreadsheet would run gets an apostrophe before it."""
    if isinstance(value, bool):
        return str(value).lower()  # as JSON has it
    if isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def _line(cells: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
