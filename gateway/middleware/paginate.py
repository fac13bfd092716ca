"""All pages of a list as one answer, where a caller asks for all.

It stands inside cache, fallback and deadline, which are of the whole list, and around retry: each
page is sent as a call is, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gateway.bodies import digest
from gateway.catalog.model import Method, kind_of
from gateway.catalog.pagination import Pagination
from gateway.errors import BadResponse, DeadlineExceeded, GatewayError, QuotaSpent
from gateway.messages import NO_EXTRAS, Call, Page, Result
from gateway.middleware.idempotency import vendor_key
from gateway.pagination import items_at
from gateway.runtime import Handler, Runtime

Params = Mapping[str, object]


def paginate(next_handler: Handler, method: Method, runtime: Runtime) -> Handler:
    """Gather a list's pages where the call asks for all of them.

    A bound that is reached (``max_pages``, the deadline, ``max_response`` over all pages) ends it,
    and the answer's page says where to go on.

    :raises BadResponse: the pages lead in a circle, or one has no list.
    :raises GatewayError: a page failed; ``message`` says which.
    """
    pagination = method.paginate
    if pagination is None:
        return next_handler

    def handle(call: Call) -> Result:
        if not call.all_pages:
            return next_handler(call)
        return _PageCollector(next_handler, method, pagination, runtime).run(call)

    return handle


class _PageCollector:
    """Collects the pages of one call."""

    def __init__(
        self, next_handler: Handler, method: Method, pagination: Pagination, runtime: Runtime
    ) -> None:
        self._next = next_handler
        self._pagination = pagination
        self._is_xml = kind_of(method.response) == "xml"
        self._max_bytes = method.service.max_response
        self._now = runtime.clock.now
        self._timeouts: tuple[type[GatewayError], ...] = (DeadlineExceeded,)
        if method.on_limit == "wait":  # then it means that the turn comes after the deadline
            self._timeouts = (DeadlineExceeded, QuotaSpent)
        self._items: list[object] = []
        self._bytes = 0
        self._extras = NO_EXTRAS
        self._first_params: Params | None = None
        self._pages: dict[str, int] = {}  # number by the digest of its parameters

    def run(self, call: Call) -> Result:
        """Return the items of all pages, and where the list goes on if that was not its end."""
        params = call.params
        while True:
            self._begin_page(params)
            started_at = self._now()
            try:
                result = self._fetch(call, params)
            except self._timeouts:
                if len(self._pages) == 1:
                    raise
                return self._end(call, params, "the deadline came")
            page = result.extras.page or Page(None)
            if self._bytes and self._bytes + page.body_bytes > self._max_bytes:
                return self._end(call, params, "max_response is reached")
            self._add(call, result, page)
            if page.next is None:
                return self._end(call, None, "complete")
            params = page.next
            if reason := self._bound(call, page, self._now() - started_at):
                return self._end(call, params, reason)

    def _begin_page(self, params: Params) -> None:
        """:raises BadResponse: this page was there before."""
        number = len(self._pages) + 1
        earlier = self._pages.setdefault(digest(params), number)
        if earlier != number:
            raise BadResponse(
                f"The service's pages lead in a circle: page {number - 1} leads back to page"
                f" {earlier}."
            )

    def _fetch(self, call: Call, params: Params) -> Result:
        number = len(self._pages)
        key = call.vendor_key
        if key and number > 1:
            key = vendor_key(key, f"page {number}")
        try:
            return self._next(replace(call, params=params, vendor_key=key))
        except GatewayError as error:
            if number > 1:
                error.message = f"Page {number}: {error.message}"
            raise

    def _add(self, call: Call, result: Result, page: Page) -> None:
        try:
            self._items += items_at(result.data, self._pagination.items, is_xml=self._is_xml)
        except BadResponse as error:
            message = f"Page {len(self._pages)} has no list where the catalog says (items)."
            raise BadResponse(message, detail=error.detail) from error
        if len(self._pages) == 1:
            self._first_params = call.trace.params
        self._bytes += page.body_bytes
        self._extras = result.extras

    def _bound(self, call: Call, page: Page, page_seconds: float) -> str:
        """Return why no other page is asked for; nothing where one may be, if it is as this one."""
        if len(self._pages) >= self._pagination.max_pages:
            return "max_pages is reached"
        if self._bytes + page.body_bytes > self._max_bytes:
            return "max_response leaves no room for another page"
        if self._now() + page_seconds >= call.deadline:
            return "the deadline leaves no time for another page"
        return ""

    def _end(self, call: Call, next_params: Params | None, reason: str) -> Result:
        detail = f"{len(self._items)} item{'s' * (len(self._items) != 1)}; {reason}"
        call.trace.note(self._now(), "pages", detail)
        call.trace.params = self._first_params  # of the call, where those of its last page stand
        page = Page(next_params, self._bytes)
        return Result(self._items, replace(self._extras, page=page))
