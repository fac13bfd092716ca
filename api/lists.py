"""Lists of rows: a page by offset or by key, filtered, sorted, as JSON or CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from flask import Response, request, stream_with_context
from marshmallow import Schema
from sqlalchemy import ColumnElement, Connection, Select, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from api.errors import NotAcceptable
from api.parts import parts
from gateway.errors import fields_error

SKIP, LIMIT = 0, 10
BATCH = 500  # rows that a CSV holds in memory
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run (OWASP, "CSV Injection")
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def page(
    session: Session | Connection,
    query: Select[Any],
    model: Any,
    args: Mapping[str, Any],
    told: Callable[[Any], Any] | None = None,
) -> dict[str, Any]:
    """``{"items", "total", "skip", "limit"}`` of a filtered query, in the order and at the place asked for.

    :param model: has the columns as attributes.
    :param told: makes an item of a row, where the query is for columns; otherwise items are entities.
    """
    skip, limit = args.get("skip", SKIP), args.get("limit", LIMIT)
    totals = parts().database.totals  # a count takes as long as the list: by key it is not made anew for every page
    total = totals.recent(session, query) if "after" in args else totals.count(session, query)
    found = session.execute(_ordered(session, query, model, args).offset(skip).limit(limit))
    items = [told(row) for row in found.all()] if told else found.scalars().all()
    return {"items": items, "total": total, "skip": skip, "limit": limit}


def search(text: str, *columns: Any) -> ColumnElement[bool]:
    """Rows that have the text, in any case, in one of the columns; ``%`` and ``_`` mean themselves."""
    return or_(*(column.icontains(text, autoescape=True) for column in columns))


def _ordered(session: Session | Connection, query: Select[Any], model: Any, args: Mapping[str, Any]) -> Select[Any]:
    sort = args.get("sort", "id")
    down, name = sort.startswith("-"), sort.removeprefix("-")
    column = getattr(model, name)
    keys = (model.id,) if name == "id" else (column, model.id)
    if "after" in args:
        place = _place(session, model, column, name, args["after"])
        query = query.where(tuple_(*keys) < place if down else tuple_(*keys) > place)
    return query.order_by(*(key.desc() if down else key.asc() for key in keys))


def _place(session: Session | Connection, model: Any, column: Any, name: str, after: int) -> Any:
    """Where the item ``after`` stands in the order."""
    if name == "id":
        return tuple_(after)
    at = session.scalar(select(column).where(model.id == after))
    if at is None:
        raise fields_error("after", ["There is no such item."])
    return tuple_(literal(at, column.type), after)


def wants_csv() -> bool:
    """Whether ``Accept`` prefers CSV to JSON.

    :raises NotAcceptable: it allows neither.
    """
    if not request.accept_mimetypes:
        return False
    best = request.accept_mimetypes.best_match(["application/json", "text/csv"])
    if best is None:
        raise NotAcceptable
    return best == "text/csv"


def as_csv(query: Select[Any], model: Any, schema: Schema, args: Mapping[str, Any]) -> Response:
    """The list as CSV (RFC 4180), streamed: the page asked for or, without ``limit``, all of it."""
    with parts().database.reading() as session:
        ordered = _ordered(session, query, model, args).offset(args.get("skip", SKIP)).limit(args.get("limit"))
    names = list(schema.fields)
    response = Response(stream_with_context(_csv_lines(ordered, names, schema)), mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{model.__tablename__}.csv"'
    return response


def _csv_lines(query: Select[Any], names: Sequence[str], schema: Schema) -> Iterator[str]:
    yield _line(names)
    with parts().database.reading() as session:
        for row in session.scalars(query.execution_options(yield_per=BATCH)):
            dumped = schema.dump(row)
            yield _line([_cell(dumped[name]) for name in names])


def _cell(value: Any) -> Any:
    """The value; a text that a spreadsheet would take for a formula gets an apostrophe before it."""
    risky = isinstance(value, str) and value.startswith(_FORMULA) and not _NUMBER.fullmatch(value)
    return f"'{value}" if risky else value


def _line(cells: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()
