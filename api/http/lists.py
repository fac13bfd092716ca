"""Lists of rows: a page by offset or by key, filtered, sorted, as JSON or CSV.

Example::

    users = RowList(User, select(*columns), row_dumper(UserOut()), {"role": lambda role: ...})
    with app_state().database.read_connection() as connection:
        return users.page(connection, {"role": "admin", "limit": 20})
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from flask import Response, stream_with_context
from marshmallow import Schema

from api.context import app_state
from api.errors import NotAcceptable
from api.http.cache import cached_response
from api.http.etags import MAX_ACCEPTS, etag_response, parse_accept
from api.request_context import current_context
from gateway.errors import fields_error
from models import Transaction

DEFAULT_SKIP = 0
DEFAULT_LIMIT = 10
DEFAULT_SORT = "id"
MAX_STATEMENTS = 256  # that are built once: to build one takes longer than to run it
MAX_BUFFERED_ROWS = 500  # of a CSV, in memory
# What a spreadsheet would run (OWASP, "CSV Injection"), and its full-width forms (Japanese Excel).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"-[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

Filters = frozenset[tuple[str, Any]]  # of one request: names and values


@dataclass(frozen=True, eq=False)
class RowList:
    """What one list shows.

    :param model: whose rows are filtered and sorted, by the columns of its table.
    :param query: selects what ``dump`` takes, of all rows.
    :param dump: makes items of rows.
    :param conditions: by the name of a filter: the condition for its value.
    """

    model: Any
    query: sa.Select[Any]
    dump: Callable[[Sequence[Any]], list[Any]]
    conditions: Mapping[str, Callable[[Any], sa.ColumnElement[bool]]]

    def page(self, session: Transaction, args: Mapping[str, Any]) -> dict[str, Any]:
        """Return ``{"items", "total", "skip", "limit"}``, filtered and ordered by ``args``.

        :raises InvalidParams: there is no item ``after`` which the page comes.
        """
        filters = frozenset([(name, args[name]) for name in self.conditions.keys() & args.keys()])
        sort = args.get("sort", DEFAULT_SORT)
        bounds = {"skip": args.get("skip", DEFAULT_SKIP), "limit": args.get("limit", DEFAULT_LIMIT)}
        if "after" in args:
            # A count takes as long as a list: by key it is not made for every page.
            total = app_state().database.row_counts.recent((self, filters))
            if total is None:
                total = self._count(session, filters)
            place = self.place(session, sort, args["after"])
            rows = session.execute(_page_by_key(self, filters, sort), bounds | place).all()
        else:
            total, rows = self._counted_page(session, filters, sort, bounds)
        return {"items": self.dump(rows), "total": total, **bounds}

    def where(self, query: sa.Select[Any], args: Mapping[str, Any]) -> sa.Select[Any]:
        """Return the query with the conditions of the filters that ``args`` has."""
        for name, condition in self.conditions.items():
            if name in args:
                query = query.where(condition(args[name]))
        return query

    def place(self, session: Transaction, sort: str, after: int) -> dict[str, Any]:
        """Return where the item ``after`` stands in the order.

        :raises InvalidParams: there is no such item.
        """
        name = sort.removeprefix("-")
        if name == "id":
            return {"after_id": after}
        columns = self.model.__table__.c
        value = session.execute(sa.select(columns[name]).where(columns.id == after)).scalar()
        if value is None:
            raise fields_error("after", ["There is no such item."])
        return {"after_id": after, f"after_{name}": value}

    def _counted_page(
        self, session: Transaction, filters: Filters, sort: str, bounds: Mapping[str, int]
    ) -> tuple[int, Sequence[Any]]:
        """Return the count of all rows and those of a page, by one statement if there are any."""
        counts = app_state().database.row_counts
        mark = counts.mark()
        rows = session.execute(_page_by_offset(self, filters, sort), bounds).all()
        if not rows:
            return self._count(session, filters), rows
        total = rows[0][-1]
        counts.store((self, filters), total, mark)
        return total, rows

    def _count(self, session: Transaction, filters: Filters) -> int:
        counts = app_state().database.row_counts
        mark = counts.mark()
        total = session.execute(_count(self, filters)).scalar() or 0
        counts.store((self, filters), total, mark)
        return total


def select_fields(model: Any, schema: Schema) -> sa.Select[Any]:
    """Return the query for the columns that a schema's fields are named after, in their order."""
    return sa.select(*(model.__table__.c[name] for name in schema.fields))


def search(text: str, *columns: Any) -> sa.ColumnElement[bool]:
    """Match rows with the text, in any case, in one of the columns; ``%`` and ``_`` are literal."""
    return sa.or_(*(column.icontains(text, autoescape=True) for column in columns))


@lru_cache(maxsize=MAX_STATEMENTS)
def _page_by_offset(rows: RowList, filters: Filters, sort: str) -> sa.Select[Any]:
    """Return the statement of a page; its last column is the count of all rows."""
    count = _count(rows, filters).correlate(None).scalar_subquery()
    query = rows.where(rows.query, dict(filters)).add_columns(count.label("row_count"))
    return _paginate(_order_by(query, rows.model, sort))


@lru_cache(maxsize=MAX_STATEMENTS)
def _page_by_key(rows: RowList, filters: Filters, sort: str) -> sa.Select[Any]:
    return _paginate(_after(rows.where(rows.query, dict(filters)), rows.model, sort))


@lru_cache(maxsize=MAX_STATEMENTS)
def _count(rows: RowList, filters: Filters) -> sa.Select[Any]:
    query = sa.select(sa.func.count()).select_from(rows.model.__table__)
    return rows.where(query, dict(filters))


def _paginate(query: sa.Select[Any]) -> sa.Select[Any]:
    skip = sa.bindparam("skip", type_=sa.BigInteger)
    return query.offset(skip).limit(sa.bindparam("limit", type_=sa.Integer))


def _after(query: sa.Select[Any], model: Any, sort: str) -> sa.Select[Any]:
    """Return the rows that come after a place, sorted; the place is bound by its execution."""
    keys = _keys(model, sort)
    place = sa.tuple_(*(sa.bindparam(f"after_{key.name}", type_=key.type) for key in keys))
    if sort.startswith("-"):
        query = query.where(sa.tuple_(*keys) < place)
    else:
        query = query.where(sa.tuple_(*keys) > place)
    return _order_by(query, model, sort)


def _order_by(query: sa.Select[Any], model: Any, sort: str) -> sa.Select[Any]:
    keys = _keys(model, sort)
    if sort.startswith("-"):
        return query.order_by(*(key.desc() for key in keys))
    return query.order_by(*(key.asc() for key in keys))


def _keys(model: Any, sort: str) -> tuple[Any, ...]:
    """Return the columns of an order, of which no two rows have the same values."""
    columns = model.__table__.c
    name = sort.removeprefix("-")
    if name == "id":
        return (columns.id,)
    return columns[name], columns.id


def list_response(rows: RowList, schema: Schema, args: Mapping[str, Any]) -> Response:
    """Return a page of the list as JSON or, where ``Accept`` prefers it, the list as CSV.

    :param schema: of one line of CSV.
    :raises InvalidParams: there is no item ``after`` which the page comes.
    :raises NotAcceptable: ``Accept`` allows neither.
    """
    if wants_csv():
        return csv_response(rows, schema, args)
    return etag_response(_read_page(rows, args))


def cached_list_response(
    resource: str, rows: RowList, schema: Schema, args: Mapping[str, Any], *, audience: str = "all"
) -> Response:
    """Return the same, with JSON out of the cache: see ``cached_response``."""
    if wants_csv():
        return csv_response(rows, schema, args)
    return cached_response(resource, lambda: (_read_page(rows, args), None), audience=audience)


def _read_page(rows: RowList, args: Mapping[str, Any]) -> dict[str, Any]:
    with app_state().database.read_connection() as connection:
        return rows.page(connection, args)


def wants_csv() -> bool:
    """:raises NotAcceptable: ``Accept`` allows neither CSV nor JSON."""
    accept = current_context().request.environ.get("HTTP_ACCEPT")
    if not accept:
        return False
    best = _best_type(accept)
    if best is None:
        raise NotAcceptable
    return best == "text/csv"


@lru_cache(maxsize=MAX_ACCEPTS)
def _best_type(accept: str) -> str | None:
    accepted = parse_accept(accept)
    if not accepted:
        return "application/json"
    return accepted.best_match(["application/json", "text/csv"])


def csv_response(rows: RowList, schema: Schema, args: Mapping[str, Any]) -> Response:
    """Return the list as CSV (RFC 4180), streamed: one page or, without ``limit``, all of it."""
    sort = args.get("sort", DEFAULT_SORT)
    query = rows.where(sa.select(rows.model), args)
    place = {}
    if "after" in args:
        with app_state().database.read_session() as session:
            place = rows.place(session, sort, args["after"])
        query = _after(query, rows.model, sort)
    else:
        query = _order_by(query, rows.model, sort)
    query = query.offset(args.get("skip", DEFAULT_SKIP)).limit(args.get("limit")).params(place)
    response = Response(stream_with_context(_csv_lines(query, schema)), mimetype="text/csv")
    name = rows.model.__tablename__
    response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _csv_lines(query: sa.Select[Any], schema: Schema) -> Iterator[str]:
    names = list(schema.fields)
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
