"""``flask catalog import`` keeps how lists go on, where the file says it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from cli.openapi import import_spec
from gateway.catalog.loader import load_catalog

Values = dict[str, Any]
STRING = {"type": "string"}
INTEGER = {"type": "integer"}
ROWS = {"type": "array", "items": {"type": "object"}}
URL = {"type": "string", "format": "uri", "nullable": True}


def answers(schema: Values | None = None, **more: Any) -> Values:
    content = {"application/json": {"schema": schema or ROWS}}
    return {"200": {"description": "ok", "content": content, **more}}


def fields(**properties: Any) -> Values:
    return {"type": "object", "properties": properties}


def imported(operation: Values, **more: Any) -> Any:
    """The method's ``paginate``, of a catalog that passes the check."""
    description = {
        "openapi": "3.0.3",
        "info": {"title": "A"},
        "servers": [{"url": "https://a.example"}],
        "paths": {"/a": {"get": operation}},
        **more,
    }
    text = import_spec(json.dumps(description))
    load_catalog(text, "imported", {})
    [method] = yaml.safe_load(text)["services"]["a"]["methods"].values()
    return method.get("paginate")


def asking(*names: str, kind: Values = INTEGER, **keywords: Any) -> list[Values]:
    return [{"name": name, "in": "query", "schema": {**kind, **keywords}} for name in names]


CASES: list[tuple[str, list[Values], Values, Values | None]] = [
    ("github", asking("per_page", "page"), answers(headers={"Link": {"schema": STRING}}), {"by": "link"}),
    ("stripe", asking("limit") + asking("starting_after", kind=STRING),
     answers(fields(object=STRING, data=ROWS, has_more={"type": "boolean"}, url=STRING)),
     {"by": "cursor", "cursor": "data.-1.id", "param": "starting_after", "more": "has_more", "items": "data"}),
    ("slack", asking("cursor", kind=STRING),
     answers(fields(ok={"type": "boolean"}, channels=ROWS, response_metadata=fields(next_cursor=STRING))),
     {"by": "cursor", "cursor": "response_metadata.next_cursor", "param": "cursor", "items": "channels"}),
    ("notion", asking("start_cursor", kind=STRING),
     answers(fields(results=ROWS, next_cursor={**STRING, "nullable": True}, has_more={"type": "boolean"})),
     {"by": "cursor", "cursor": "next_cursor", "param": "start_cursor", "more": "has_more", "items": "results"}),
    ("google", asking("pageToken", kind=STRING), answers(fields(nextPageToken=STRING, files=ROWS)),
     {"by": "cursor", "cursor": "nextPageToken", "param": "pageToken", "items": "files"}),
    ("hubspot", asking("after", kind=STRING), answers(fields(results=ROWS, paging=fields(next=fields(after=STRING, link=STRING)))),
     {"by": "cursor", "cursor": "paging.next.after", "param": "after", "items": "results"}),
    ("lark", asking("page_token", kind=STRING),
     answers(fields(code=INTEGER, data=fields(items=ROWS, page_token=STRING, has_more={"type": "boolean"}))),
     {"by": "cursor", "cursor": "data.page_token", "param": "page_token", "more": "data.has_more", "items": "data.items"}),
    ("kubernetes", asking("continue", kind=STRING), answers(fields(items=ROWS, metadata={"properties": {"continue": STRING}})),
     {"by": "cursor", "cursor": "metadata.continue", "param": "continue", "items": "items"}),
    ("django", asking("limit", "offset"), answers(fields(count=INTEGER, next=URL, previous=URL, results=ROWS)),
     {"by": "link", "url": "next", "items": "results"}),
    ("jsonapi", asking("page[number]"), answers(fields(data=ROWS, links=fields(next=STRING), included=ROWS)),
     {"by": "link", "url": "links.next", "items": "data"}),
    ("pages", asking("page"), answers(fields(data=ROWS, meta=fields(total_pages=INTEGER))),
     {"by": "page", "param": "page", "total_pages": "meta.total_pages", "items": "data"}),
    ("pages from 0", asking("page", minimum=0), answers(fields(content=ROWS, totalPages=INTEGER)),
     {"by": "page", "param": "page", "total_pages": "totalPages", "first": 0, "items": "content"}),
    ("jira", asking("startAt", "maxResults"), answers(fields(total=INTEGER, startAt=INTEGER, issues=ROWS)),
     {"by": "offset", "param": "startAt", "total": "total", "items": "issues"}),
    ("no parameter", asking("q"), answers(fields(data=ROWS, next_cursor=STRING)), None),
    ("no list", asking("cursor", kind=STRING), answers(fields(name=STRING, next_cursor=STRING)), None),
    ("several lists", asking("cursor", kind=STRING), answers(fields(a=ROWS, b=ROWS, next_cursor=STRING)), None),
    ("only that it was sent", asking("after", kind=STRING), answers(fields(data=ROWS, after=STRING)), None),
    ("a name that asks for a variable", asking("cursor", kind=STRING), answers(fields(**{"${next_cursor}": STRING, "data": ROWS})), None),
    ("nothing said", asking("page"), {"200": {"description": "ok"}}, None),
    ("a reference to nothing", asking("page"), {"200": {"$ref": "#/nowhere"}}, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("parameters", "responses", "expected"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_parameter_and_a_field_that_belong_together_are_pages(
    parameters: list[Values], responses: Values, expected: Values | None
) -> None:
    assert imported({"parameters": parameters, "responses": responses}) == expected


def test_a_cursor_that_every_call_must_have_is_none() -> None:
    [cursor] = asking("cursor", kind=STRING)
    responses = answers(fields(data=ROWS, next_cursor=STRING))
    assert imported({"parameters": [{**cursor, "required": True}], "responses": responses}) is None


SPEAKEASY = "x-speakeasy-pagination"
FERN = "x-fern-pagination"


@pytest.mark.parametrize(
    ("extension", "expected"),
    [
        ({"x-ms-pageable": {"nextLinkName": "nextLink", "itemName": "value"}},
         {"by": "link", "url": "nextLink", "items": "value"}),
        ({"x-ms-pageable": {"nextLinkName": None}}, None),
        ({SPEAKEASY: {"type": "cursor", "inputs": [{"name": "c", "in": "parameters", "type": "cursor"}],
                      "outputs": {"nextCursor": "$.data[-1].id", "results": "$.data"}}},
         {"by": "cursor", "cursor": "data.-1.id", "param": "c", "items": "data"}),
        ({SPEAKEASY: {"type": "offsetLimit", "inputs": [{"name": "p", "in": "parameters", "type": "page"}],
                      "outputs": {"results": "$.rows", "numPages": "$.pages"}}},
         {"by": "page", "param": "p", "total_pages": "pages", "items": "rows"}),
        ({SPEAKEASY: {"type": "offsetLimit", "inputs": [{"name": "p", "type": "offset"}, {"name": "n", "type": "limit"}],
                      "outputs": {"results": "$"}}},
         {"by": "offset", "param": "p", "limit": "n"}),
        ({SPEAKEASY: {"type": "url", "outputs": {"nextUrl": "$.next", "results": "$.rows"}}},
         {"by": "link", "url": "next", "items": "rows"}),
        ({SPEAKEASY: {"type": "cursor", "inputs": [{"name": "unknown", "type": "cursor"}]}}, None),
        ({FERN: {"cursor": "$request.c", "next_cursor": "$response.page.next", "results": "$response.rows"}},
         {"by": "cursor", "cursor": "page.next", "param": "c", "items": "rows"}),
        ({FERN: {"offset": "$request.p", "results": "$response.rows", "has-next-page": "$response.more"}},
         {"by": "page", "param": "p", "more": "more", "items": "rows"}),
        ({FERN: {"offset": "$request.p", "step": "$request.n", "results": "$response.rows"}},
         {"by": "offset", "param": "p", "limit": "n", "items": "rows"}),
        ({FERN: {"cursor": "$request.c", "next_cursor": "${HOME}", "results": "$response.rows"}}, None),
        ({FERN: "garbage"}, None),
    ],
)  # fmt: skip
def test_a_generators_extension_says_it(extension: Values, expected: Values | None) -> None:
    parameters = [*asking("p", "n", "$skip"), *asking("c", kind=STRING)]
    operation = {"parameters": parameters, "responses": answers(fields(rows=ROWS)), **extension}
    assert imported(operation) == expected


def test_an_extension_may_say_it_once_for_the_whole_file() -> None:
    whole = {"cursor": "$request.c", "next_cursor": "$response.next", "results": "$response.rows"}
    operation = {"parameters": asking("c", kind=STRING), "responses": answers(), FERN: True}
    assert imported(operation, **{FERN: whole}) == {
        "by": "cursor", "cursor": "next", "param": "c", "items": "rows",
    }  # fmt: skip
