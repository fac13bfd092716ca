"""The keys of ``paginate``, by what it goes on by.

paginate: {by: cursor, cursor: response_metadata.next_cursor, param: cursor, items: channels}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate

from gateway.catalog.model import Method, kind_of
from gateway.catalog.pagination import MAX_PAGES, Pagination
from gateway.catalog.yaml.document import Advice
from schemas.catalog.fields import MESSAGES, Frozen, nested, text, whole
from schemas.catalog.params import JsonType


def _place(**kwargs: Any) -> JsonType:
    check = validate.Length(min=1, error="must be a dotted path in the reply, or header:NAME")
    return text(validate=check, **kwargs)


class _PaginationSchema(Frozen):
    value_class: ClassVar[Any] = Pagination

    by = text(required=True)
    items = text()
    max_pages = JsonType(
        "integer",
        validate=validate.Range(1, MAX_PAGES, error=f"must be from 1 to {MAX_PAGES}"),
        error_messages=MESSAGES,
    )


class LinkSchema(_PaginationSchema):
    url = _place()


class CursorSchema(_PaginationSchema):
    cursor = _place(required=True)
    param = text(required=True)
    more = _place()


class PageSchema(_PaginationSchema):
    param = text(required=True)
    size_param = text(data_key="size")
    first = whole()
    total = _place(data_key="total_pages")
    more = _place()


class OffsetSchema(_PaginationSchema):
    param = text(required=True)
    size_param = text(data_key="limit")
    first = whole()
    total = _place()
    more = _place()


SCHEMAS: Mapping[str, type[Frozen]] = {
    "link": LinkSchema,
    "cursor": CursorSchema,
    "page": PageSchema,
    "offset": OffsetSchema,
}


def pagination_field(value: Any) -> fields.Field[Any]:
    """:raises ValidationError: ``by`` says nothing that is known."""
    by = value.get("by") if isinstance(value, dict) else None
    if not isinstance(by, str) or by not in SCHEMAS:
        raise ValidationError({"by": [f"must be one of: {', '.join(SCHEMAS)}"]})
    return nested(SCHEMAS[by])


def check_pagination(method: Method) -> Iterator[Advice]:
    """Yield where what says the next page is no parameter, or the answer has no pages."""
    if method.paginate is None:
        return
    for key, message in _param_problems(method, method.paginate):
        yield ("paginate", key), message
    if method.stream:
        yield ("paginate",), "what is streamed has no pages; drop paginate or stream"
    elif kind_of(method.response) not in ("json", "xml"):
        yield ("paginate",), "only a response of json or xml has pages"


def _param_problems(method: Method, pagination: Pagination) -> Iterator[tuple[str, str]]:
    """Yield a key and what is wrong with the parameter that it names."""
    params = {param.name: param.keywords for param in method.params}
    size_key = "limit" if pagination.by == "offset" else "size"
    for key, name in (("param", pagination.param), (size_key, pagination.size_param)):
        if not name:
            continue
        keywords = params.get(name)
        outer_name, _, inner_name = name.partition(".")
        if keywords is None and inner_name and pagination.by == "cursor":
            keywords = params.get(outer_name)
            if keywords is None or keywords.get("type") != "object":
                yield key, f"{outer_name!r} is not one of the method's params of type: object"
        elif keywords is None:
            yield key, f"{name!r} is not one of the method's params; declare it there"
        elif pagination.counts and keywords.get("type") not in ("integer", "string"):
            yield key, f"{name!r} counts, so its type must be integer or string"
        elif pagination.by == "cursor" and keywords["required"] is True:
            yield key, f"{name!r} is required, so nobody could ask for the first page"
