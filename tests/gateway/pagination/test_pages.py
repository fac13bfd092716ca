"""Lists in pages, as GitHub, Stripe, Slack and Notion have them: where they go on, and all in one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, SupportsIndex

import pytest

from gateway.clock import Clock, SystemClock
from gateway.errors import (
    BadResponse,
    Conflict,
    DeadlineExceeded,
    Failed,
    InvalidParams,
    QuotaSpent,
)
from gateway.messages import Result, Trace
from sandbox import Sandbox
from sandbox.vendors.lists import COUNT
from tests.gateway.fakes import USER, FakeClock, Gate, Wire, answer, make_call, service

Open = Callable[..., Gate]
INTEGER = {"type": "integer"}
STRING = {"type": "string"}
GITHUB = {
    "http": "GET /repos/{owner}/issues",
    "params": {"owner": STRING, "per_page": INTEGER, "page": INTEGER},
    "paginate": {"by": "link"},
}
STRIPE = {
    "http": "GET /v1/charges",
    "params": {"limit": INTEGER, "starting_after": STRING},
    "paginate": {
        "by": "cursor",
        "cursor": "data.-1.id",
        "param": "starting_after",
        "more": "has_more",
        "items": "data",
    },
}
SLACK = {
    "http": "GET /api/conversations.list",
    "params": {"limit": INTEGER, "cursor": STRING},
    "envelope": {"code": "ok", "ok": [True], "message": "error", "data": "channels"},
    "paginate": {"by": "cursor", "cursor": "response_metadata.next_cursor", "param": "cursor"},
}
NOTION = {
    "http": "POST /v1/databases/{id}/query",
    "params": {"id": STRING, "page_size": INTEGER, "start_cursor": STRING},
    "idempotent": True,
    "paginate": {
        "by": "cursor",
        "cursor": "next_cursor",
        "param": "start_cursor",
        "more": "has_more",
        "items": "results",
    },
}
PAGES = {
    "http": "GET /lists/pages",
    "params": {"size": {**INTEGER, "default": 10}, "page": INTEGER},
    "paginate": {
        "by": "page",
        "param": "page",
        "total_pages": "result.pages",
        "items": "result.rows",
    },
}
SHORT_PAGES = {
    **PAGES,
    "paginate": {"by": "page", "param": "page", "size": "size", "items": "result.rows"},
}
UNTIL_EMPTY = {**PAGES, "paginate": {"by": "page", "param": "page", "items": "result.rows"}}
OFFSETS = {
    "http": "GET /lists/offsets",
    "params": {"skip": INTEGER, "top": INTEGER},
    "paginate": {"by": "offset", "param": "skip", "total": "count", "items": "value"},
}
VENDORS = [
    ("github", GITHUB, {"owner": "o"}, {"owner": "o", "per_page": 10, "page": 2}, 3),
    ("stripe", STRIPE, {"limit": 10}, {"limit": 10, "starting_after": "ch_9"}, 3),
    ("slack", SLACK, {}, {"cursor": "Y2hhbm5lbDoxMA=="}, 3),
    ("notion", NOTION, {"id": "d"}, {"id": "d", "start_cursor": "10-page"}, 3),
    ("total pages", PAGES, {}, {"size": 10, "page": 2}, 3),
    ("a short page", SHORT_PAGES, {}, {"size": 10, "page": 2}, 3),
    ("an empty page", UNTIL_EMPTY, {}, {"size": 10, "page": 2}, 4),
    ("offset", OFFSETS, {"top": 9}, {"top": 9, "skip": 9}, 3),
]  # fmt: skip
each_vendor = pytest.mark.parametrize(
    ("method", "params", "following", "pages"),
    [row[1:] for row in VENDORS],
    ids=[row[0] for row in VENDORS],
)


def ask(gate: Gate, params: Mapping[str, Any] | None = None, **how: Any) -> Result:
    gate.trace = how.setdefault("trace", Trace())
    return gate.gateway.call(make_call("m", params, **how))


def following_page(result: Result) -> Any:
    assert result.extras.page
    return result.extras.page.next


def list_of(result: Result) -> list[Any]:
    assert isinstance(result.data, list)
    return result.data


@each_vendor
def test_an_answer_says_how_the_list_goes_on(
    gate: Open, box: Sandbox, method: Any, params: Any, following: Any, pages: int
) -> None:
    result = ask(gate(**method), params)
    assert following_page(result) == following
    assert len(box.requests) == 1


@each_vendor
def test_what_it_says_asked_for_again_and_again_leads_to_the_end(
    gate: Open, box: Sandbox, method: Any, params: Any, following: Any, pages: int
) -> None:
    one = gate(**method)
    while params is not None:
        params = following_page(ask(one, params))
    assert len(box.requests) == pages


@each_vendor
def test_all_pages_are_one_list(
    gate: Open, box: Sandbox, method: Any, params: Any, following: Any, pages: int
) -> None:
    one = gate(**method)
    result = ask(one, params, all_pages=True)
    items = list_of(result)
    assert len(items) == COUNT
    assert len({json.dumps(item) for item in items}) == COUNT
    assert following_page(result) is None
    assert len({request.target + request.text() for request in box.requests}) == pages
    assert [attempt.code for attempt in one.trace.attempts] == [0] * pages
    assert one.trace.events[-1][1:] == ("pages", f"{COUNT} items; complete")


def test_max_pages_ends_it_and_says_where_to_go_on(gate: Open, box: Sandbox) -> None:
    one = gate(**{**STRIPE, "paginate": {**STRIPE["paginate"], "max_pages": 2}})
    result = ask(one, {"limit": 5}, all_pages=True)
    assert [item["id"] for item in list_of(result)] == [f"ch_{number}" for number in range(10)]
    assert following_page(result) == {"limit": 5, "starting_after": "ch_9"}
    rest = ask(one, following_page(result), all_pages=True)
    assert list_of(rest)[0]["id"] == "ch_10"
    assert len(box.requests) == 4


def page_of(items: list[Any], following: Any = None, **more: Any) -> bytes:
    return answer(json.dumps({"items": items, "next": following, **more}).encode())


CURSOR = {"by": "cursor", "cursor": "next", "param": "c", "items": "items"}
Serve = Callable[..., tuple[Wire, Gate]]


@pytest.fixture
def serve(open_gate: Open) -> Iterator[Serve]:
    """A server that answers with these pages one after the other, and a gateway before it."""
    with ExitStack() as stack:

        def make(
            *answers: bytes, on: Any = None, clock: Clock | None = None, **method: Any
        ) -> tuple[Wire, Gate]:
            server = stack.enter_context(Wire(list(answers)))
            declared = {"http": "GET /", "params": {"c": STRING}, "paginate": CURSOR, **method}
            one = service(server.url, methods={"m": declared}, **(on or {}))
            return server, open_gate({"s": one}, clock=clock or SystemClock())

        yield make


def test_max_response_bounds_all_pages_together(serve: Serve) -> None:
    pages = [page_of(["x" * 900], number) for number in range(1, 9)]
    server, one = serve(*pages, on={"max_response": 3000})
    result = ask(one, all_pages=True)
    assert len(list_of(result)) == 3
    assert following_page(result) == {"c": "3"}
    assert len(server.heard) == 3, "a page for which there is no room is not asked for"


def test_a_page_that_turns_out_too_large_is_left_to_the_next_call(serve: Serve) -> None:
    server, one = serve(page_of([1], "a"), page_of(["x" * 900], "b"), on={"max_response": 950})
    result = ask(one, all_pages=True)
    assert result.data == [1]
    assert following_page(result) == {"c": "a"}
    assert len(server.heard) == 2


class Slow(list[bytes]):
    """Answers, before each of which that many seconds pass."""

    def __init__(self, answers: list[bytes], clock: FakeClock, seconds: list[float]) -> None:
        super().__init__(answers)
        self._clock = clock
        self._seconds = seconds

    def pop(self, place: SupportsIndex = -1) -> bytes:
        self._clock.advance(self._seconds.pop(0))
        return super().pop(place)


def test_no_page_is_asked_for_that_the_deadline_would_cut_off(
    serve: Serve, clock: FakeClock
) -> None:
    server, one = serve(clock=clock, on={"deadline": 100, "timeout": {"read": 100}})
    server.answers = Slow([page_of([n], f"{n}") for n in (1, 2, 3, 4)], clock, [20.0] * 4)
    result = ask(one, all_pages=True, deadline=clock.now() + 70)
    assert result.data == [1, 2, 3]
    assert following_page(result) == {"c": "3"}
    assert len(server.heard) == 3


def test_a_page_that_the_deadline_cuts_off_is_where_to_go_on(
    serve: Serve, clock: FakeClock
) -> None:
    server, one = serve(clock=clock, on={"deadline": 100, "timeout": {"read": 100}})
    server.answers = Slow([page_of([1], "1"), page_of([2], "2")], clock, [50, 0.05])
    result = ask(one, all_pages=True, deadline=clock.now() + 50.5)
    count = len(list_of(result))
    assert list_of(result) == [1, 2][:count]
    assert following_page(result) == {"c": str(count)}


def test_a_deadline_that_comes_on_the_first_page_is_a_failure(gate: Open, box: Sandbox) -> None:
    box.fault("/v1/charges", "hang")
    with pytest.raises(DeadlineExceeded):
        ask(gate(**STRIPE), all_pages=True, timeout=0.2)


def test_a_page_that_fails_fails_the_whole_and_is_named(serve: Serve) -> None:
    server, one = serve(page_of([1], "a"), page_of([2], "b"), answer(b"{}", "500 Oops"))
    with pytest.raises(Failed) as caught:
        ask(one, all_pages=True)
    assert (
        caught.value.message
        == "Page 3: The service failed; try again in a moment, but look first whether a write was done."
    )
    assert len(server.heard) == 3


def test_each_page_is_retried_by_itself(serve: Serve) -> None:
    failed = answer(b"{}", "503 Later")
    server, one = serve(
        failed,
        page_of([1], "a"),
        failed,
        page_of([2]),
        on={"retry": {"times": 1, "backoff": 0.001}},
    )
    assert ask(one, all_pages=True).data == [1, 2]
    assert len(server.heard) == 4


def test_the_services_rate_limit_counts_each_page(serve: Serve) -> None:
    pages = [page_of([n], f"{n}") for n in (1, 2, 3)]
    server, one = serve(*pages, on={"rate_limit": "2/day"})
    with pytest.raises(QuotaSpent) as caught:
        ask(one, all_pages=True)
    assert caught.value.message.startswith("Page 3: ")
    assert len(server.heard) == 2


def test_a_turn_that_comes_after_the_deadline_is_the_deadlines_end(serve: Serve) -> None:
    pages = [page_of([n], f"{n}") for n in (1, 2, 3)]
    server, one = serve(*pages, on={"rate_limit": "1/hour", "on_limit": "wait"})
    result = ask(one, all_pages=True)
    assert result.data == [1]
    assert following_page(result) == {"c": "1"}
    assert len(server.heard) == 1


@pytest.mark.parametrize(
    ("cursors", "message"),
    [
        (["a", "a"], "page 2 leads back to page 2"),
        (["a", "b", "a"], "page 3 leads back to page 2"),
    ],
)
def test_pages_in_a_circle_are_an_error_and_none_is_fetched_twice(
    serve: Serve, cursors: list[str], message: str
) -> None:
    server, one = serve(*[page_of([1], cursor) for cursor in [*cursors, "z"]])
    with pytest.raises(BadResponse, match=message):
        ask(one, all_pages=True)
    assert len(server.heard) == len(cursors)


def test_a_list_without_end_is_bounded(serve: Serve) -> None:
    server, one = serve(*[page_of([n], n + 1) for n in range(20)])
    result = ask(one, all_pages=True)
    assert result.data == list(range(10))
    assert following_page(result) == {"c": "10"}
    assert len(server.heard) == 10


MORE = {**CURSOR, "more": "more"}


@pytest.mark.parametrize(
    ("paginate", "body", "following"),
    [
        (CURSOR, {"next": None}, None),
        (CURSOR, {"next": ""}, None),
        (CURSOR, {"next": 0}, None),
        (CURSOR, {}, None),
        (CURSOR, {"next": 7}, {"c": "7"}),
        (MORE, {"next": "a", "more": False}, None),
        (MORE, {"next": "a", "more": True}, {"c": "a"}),
        (MORE, {"next": "a", "more": "false"}, None),
        (MORE, {"next": "a"}, {"c": "a"}),
        (MORE, {}, None),
        ({**CURSOR, "cursor": "@odata.next"}, {"@odata.next": "a"}, {"c": "a"}),
        ({**CURSOR, "cursor": "header:X-Next"}, {}, {"c": "h"}),
    ],
)
def test_a_cursor_that_says_nothing_is_the_end(
    serve: Serve, paginate: Any, body: Any, following: Any
) -> None:
    _, one = serve(answer(json.dumps(body).encode(), "200 OK", "X-Next: h"), paginate=paginate)
    assert following_page(ask(one)) == following


@pytest.mark.parametrize(
    ("paginate", "body", "why"),
    [
        (MORE, {"more": True}, "more pages, but no cursor at next"),
        (CURSOR, {"next": "x" * 8193}, "the cursor is over 8192 characters"),
        (CURSOR, {"next": {"a": 1}}, "what the next page has for c is of another type"),
        ({"by": "page", "param": "c", "items": "rows"}, {}, "no list at rows"),
        ({"by": "offset", "param": "c"}, {}, "the data is no list"),
        ({"by": "link", "url": "next"}, {"next": 5}, "the next page's URL at next is no text"),
        ({"by": "link", "url": "next"}, {"next": "http://[x"}, "the next page's URL is none"),
        ({"by": "link", "url": "next"}, {"next": "http://127.0.0.1:1/?c=1"},
         "the next page's URL is on another host than base_url"),
        ({"by": "link", "url": "next"}, {"next": "file:///etc"},
         "the next page's URL is on another host than base_url"),
        ({"by": "link", "url": "next"}, {"next": "/?c=1&d=2"},
         "the next page's URL has d, which is not one of the method's params in its query; declare it"),
    ],
)  # fmt: skip
def test_an_answer_that_does_not_say_what_was_declared_is_refused(
    serve: Serve, paginate: Any, body: Any, why: str
) -> None:
    _, one = serve(answer(json.dumps(body).encode()), paginate=paginate)
    with pytest.raises(BadResponse):
        ask(one)
    assert one.trace.attempts[0].why == why


@pytest.mark.parametrize("paginate", [CURSOR, {"by": "link", "url": "next"}])
def test_a_next_page_that_the_parameter_does_not_allow_is_refused(
    serve: Serve, paginate: Any
) -> None:
    body = {"next": "/?c=99" if "url" in paginate else 99}
    params = {"c": {"type": "integer", "maximum": 5}}
    _, one = serve(answer(json.dumps(body).encode()), paginate=paginate, params=params)
    with pytest.raises(BadResponse):
        ask(one)
    assert one.trace.attempts[0].why == "what the next page has for c is not allowed there"


def test_a_page_without_its_list_is_refused_where_pages_are_gathered(serve: Serve) -> None:
    _, one = serve(page_of([1], "a"), answer(b"{}"))
    with pytest.raises(BadResponse) as caught:
        ask(one, all_pages=True)
    assert caught.value.message == "Page 2 has no list where the catalog says (items)."


def test_null_is_an_empty_list(serve: Serve) -> None:
    _, one = serve(answer(b'{"items": null}'))
    assert ask(one, all_pages=True).data == []


@pytest.mark.parametrize("host", ["http://{}", "https://{}", ""])
def test_a_link_replaces_the_query_and_nothing_else(serve: Serve, host: str) -> None:
    params = {
        "c": STRING,
        "n": INTEGER,
        "numbers": {"type": "array", "items": INTEGER},
        "ids": {"type": "array", "items": STRING},
        "tags": {"type": "array", "items": STRING, "array_format": "brackets"},
        "first": STRING,
        "X-Kind": {**STRING, "in": "header"},
        "must": {**STRING, "required": True},
    }
    server, one = serve(params=params, paginate={"by": "link", "url": "next"}, query={"key": "v"})
    target = (
        host.format(server.url.removeprefix("http://"))
        + "/other/path?key=v&n=5&ids=a&ids=b&c=x%2Fy&tags[]=t&numbers=1&numbers=2"
    )
    server.answers.append(answer(json.dumps({"next": target}).encode()))
    values = {"first": "f", "X-Kind": "k", "must": "m", "ids": ["a", "b"], "tags": ["t"], "n": 4}
    assert following_page(ask(one, values)) == {
        "X-Kind": "k", "must": "m", "ids": ["a", "b"], "tags": ["t"], "n": 5, "c": "x/y", "numbers": [1, 2],
    }  # fmt: skip


def test_our_credential_in_the_next_pages_url_is_no_parameter(serve: Serve) -> None:
    auth = {"type": "api_key", "in": "query", "name": "access_token", "value": "secret-secret"}
    link = "Link: </?c=2&access_token=secret-secret>; rel=next"
    _, one = serve(answer(b"[]", "200 OK", link), paginate={"by": "link"}, on={"auth": auth})
    assert following_page(ask(one)) == {"c": "2"}


def test_our_credential_in_a_cursor_is_masked(serve: Serve) -> None:
    auth = {"type": "api_key", "in": "query", "name": "access_token", "value": "secret-secret"}
    _, one = serve(page_of([], "secret-secret"), on={"auth": auth})
    assert following_page(ask(one)) == {"c": "****"}


@pytest.mark.parametrize("kind", ["string", "number"])
def test_a_cursor_with_a_fraction_is_sent_as_it_came(serve: Serve, kind: str) -> None:
    first = answer(b'{"items": [1], "next": 1700000000.100}')
    server, one = serve(first, page_of([2]), params={"c": {"type": kind}})
    assert ask(one, all_pages=True).data == [1, 2]
    assert server.heard[1].startswith(b"GET /?c=1700000000.100 ")


def test_a_cursor_may_go_into_an_object_as_graphql_wants_it(serve: Serve) -> None:
    def page(node: int, **info: Any) -> bytes:
        return answer(json.dumps({"data": {"a": {"nodes": [node], "pageInfo": info}}}).encode())

    server, one = serve(
        page(1, hasNextPage=True, endCursor="x"),
        page(2, hasNextPage=False, endCursor="y"),
        http="POST /graphql",
        params={"query": STRING, "variables": {"type": "object"}},
        envelope="graphql",
        paginate={
            "by": "cursor",
            "cursor": "data.a.pageInfo.endCursor",
            "more": "data.a.pageInfo.hasNextPage",
            "param": "variables.after",
            "items": "a.nodes",
        },
    )
    result = ask(one, {"query": "q", "variables": {"first": 1}}, all_pages=True)
    assert result.data == [1, 2]
    sent = [json.loads(request.partition(b"\r\n\r\n")[2]) for request in server.heard]
    assert [body["variables"] for body in sent] == [{"first": 1}, {"first": 1, "after": "x"}]


def test_xml_lists_of_one_and_none_are_lists(serve: Serve) -> None:
    _, one = serve(
        answer(b"<r><item>1</item><item>2</item><next>a</next></r>"),
        answer(b"<r><item>3</item><next>b</next></r>"),
        answer(b"<r><next/></r>"),
        response="xml",
        paginate={**CURSOR, "items": "item"},
    )
    assert ask(one, all_pages=True).data == ["1", "2", "3"]


def test_a_method_without_pages_is_not_asked_for_all(gate: Open, box: Sandbox) -> None:
    with pytest.raises(InvalidParams) as caught:
        ask(gate(), all_pages=True)
    assert caught.value.fields == {
        "X-Paginate": ["The catalog does not say how s.m goes on (paginate)."]
    }
    assert box.requests == []


CACHE = {"cache": {"ttl": 60}}


def test_a_cached_answer_says_how_it_goes_on_and_a_whole_list_is_cached_whole(
    gate: Open, box: Sandbox
) -> None:
    one = gate(**STRIPE, **CACHE)
    first = [ask(one, {"limit": 10}) for _ in range(2)]
    assert one.trace.cache == "HIT"
    assert following_page(first[0]) == following_page(first[1]) != None  # noqa: E711
    assert len(box.requests) == 1
    whole = [ask(one, {"limit": 10}, all_pages=True) for _ in range(2)]
    assert one.trace.cache == "HIT"
    assert whole[0].data == whole[1].data
    assert following_page(whole[1]) is None
    assert len(box.requests) == 4


def test_an_answer_under_a_key_is_given_again_with_its_next_page(gate: Open, box: Sandbox) -> None:
    one = gate(**NOTION)
    options = {"params": {"id": "d"}, "idempotency_key": "k"}
    first, second = (ask(one, **options) for _ in range(2))
    assert one.trace.replayed
    assert following_page(first) == following_page(second) == {"id": "d", "start_cursor": "10-page"}
    with pytest.raises(Conflict):
        ask(one, **options, all_pages=True)
    assert len(box.requests) == 1


def test_each_page_has_a_key_of_its_own_at_the_vendor(gate: Open, box: Sandbox) -> None:
    one = gate(**NOTION, idempotency_header="Idem")
    ask(one, {"id": "d"}, idempotency_key="k", all_pages=True)
    assert len({request.headers["idem"] for request in box.requests}) == 3


def test_a_declared_answer_stands_in_for_the_whole_list(serve: Serve) -> None:
    _, one = serve(page_of([1], "a"), answer(b"{}", "500 Oops"), fallback={"static": ["nothing"]})
    result = ask(one, all_pages=True)
    assert result.data == ["nothing"]
    assert following_page(result) is None
    assert one.trace.fallback == "static"


@pytest.mark.parametrize(
    ("max_pages", "data"), [(3, list(range(COUNT))), (2, None)], ids=["whole", "cut short"]
)
def test_another_methods_list_stands_in_if_it_is_whole(
    box: Sandbox, open_gate: Open, max_pages: int, data: Any
) -> None:
    other = {**OFFSETS, "paginate": {**OFFSETS["paginate"], "max_pages": max_pages}}
    failing = {
        "http": "GET /status/500",
        "paginate": {"by": "link"},
        "fallback": {"call": "s.other"},
    }
    one = open_gate({"s": service(box.url, methods={"m": failing, "other": other})})
    if data is None:
        with pytest.raises(Failed):
            ask(one, all_pages=True)
        return
    result = ask(one, all_pages=True)
    assert result.data == data
    assert following_page(result) is None
    assert one.trace.fallback == "s.other"
    assert following_page(ask(one)) is None, "its next page is not this method's"


def test_the_record_tells_of_all_pages_by_what_the_caller_asked(gate: Open) -> None:
    one = gate(**SLACK)
    ask(one, {"limit": 10}, all_pages=True)
    [record] = one.gateway.records.find("r-1", USER)
    assert [attempt["status"] for attempt in record["attempts"]] == [200] * 3
    assert record["params"] == {"limit": 10}
    assert [event["detail"] for event in record["events"] if event["what"] == "pages"] == [
        "25 items; complete"
    ]


def test_a_batch_asks_for_all_pages_of_one_call(gate: Open) -> None:
    one = gate(**SLACK)
    calls = {"page": make_call("m"), "all": make_call("m", all_pages=True)}
    outcomes = one.gateway.call_batch(calls)
    assert outcomes["page"].extras.to_dict() == {"next": {"cursor": "Y2hhbm5lbDoxMA=="}}
    assert outcomes["all"].extras.to_dict() == {"next": None}
